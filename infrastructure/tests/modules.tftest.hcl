# Modules alone, with a mocked provider: what no emulator has.

mock_provider "aws" {}

variables {
  name  = "rides"
  place = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn", region = "cn-north-1", account_id = "123456789012" }
}

run "the_key_in_another_partition" {
  command = plan
  module {
    source = "./modules/encryption"
  }

  assert {
    condition     = strcontains(aws_kms_key.data.policy, "logs.cn-north-1.amazonaws.com.cn") && !strcontains(aws_kms_key.data.policy, "arn:aws:")
    error_message = "The key's policy must name the partition's own services and ARNs."
  }
}

run "a_budget" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    key_arn            = "arn:aws-cn:kms:cn-north-1:123456789012:key/1"
    alarm_emails       = []
    runbook            = "docs/operate.md"
    monthly_budget_usd = 50
    metrics_namespace  = "RidePredictions"
    event_stream       = "rides-events"
    prediction_stream  = "rides-predictions"
    functions          = ["rides-tip"]
  }

  assert {
    condition     = aws_budgets_budget.month[0].limit_amount == "50" && { for told in aws_budgets_budget.month[0].notification : told.notification_type => told.threshold } == { ACTUAL = 80, FORECASTED = 100 }
    error_message = "The budget tells of 80 % spent and of 100 % forecast."
  }
}

run "no_budget" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    key_arn            = "arn:aws-cn:kms:cn-north-1:123456789012:key/1"
    alarm_emails       = []
    runbook            = "docs/operate.md"
    monthly_budget_usd = null
    metrics_namespace  = "RidePredictions"
    event_stream       = "rides-events"
    prediction_stream  = "rides-predictions"
    functions          = ["rides-tip"]
  }

  assert {
    condition     = length(aws_budgets_budget.month) == 0
    error_message = "Without a limit there is no budget."
  }
}
