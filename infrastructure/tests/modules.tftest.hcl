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
  variables {
    budget = false
  }

  assert {
    condition     = !strcontains(aws_kms_key.data.policy, "budgets.amazonaws.com")
    error_message = "Without a budget, Budgets may not use the key."
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
  assert {
    condition     = contains(local.publishers, "budgets.amazonaws.com")
    error_message = "Budgets must be allowed to publish."
  }
  assert {
    condition     = aws_budgets_budget.month[0].name == "rides-cn-north-1-month" && aws_cloudwatch_dashboard.overview.dashboard_name == "rides-cn-north-1"
    error_message = "An account's regions share budgets and dashboards: the names must differ by region."
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
  assert {
    condition     = !strcontains(jsonencode(local.publishers), "budgets.amazonaws.com")
    error_message = "Without a budget, Budgets may not publish."
  }
}

run "the_longest_names_of_a_consumer" {
  command = plan
  module {
    source = "./modules/consumer"
  }
  variables {
    name        = "consumer-of-28-characters-ab"
    project     = "project-of-20-letter"
    description = "A consumer"
    place       = { partition = "aws", dns_suffix = "amazonaws.com", region = "ap-southeast-1", account_id = "123456789012" }
    settings = {
      models                     = null
      environment                = {}
      memory_mb                  = 512
      timeout_seconds            = 60
      reserved_concurrency       = null
      batch_size                 = 1000
      batching_window_seconds    = 0
      parallelization_factor     = 1
      maximum_retry_attempts     = 100
      maximum_record_age_seconds = 43200
      starting_position          = "TRIM_HORIZON"
      enhanced_fan_out           = false
      filter_patterns            = []
    }
    image                   = "r@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    architecture            = "arm64"
    event_stream            = { name = "rides-events", arn = "arn:aws:kinesis:ap-southeast-1:123456789012:stream/rides-events" }
    prediction_stream       = { name = "rides-predictions", arn = "arn:aws:kinesis:ap-southeast-1:123456789012:stream/rides-predictions" }
    retention_hours         = 168
    further_streams         = ["arn:aws:kinesis:ap-southeast-1:123456789012:stream/rides-others"]
    further_retention_hours = [24]
    dead_letter_bucket      = "rides"
    dead_letter_bucket_arn  = "arn:aws:s3:::rides"
    key_arn                 = "arn:aws:kms:ap-southeast-1:123456789012:key/1"
    log_retention_days      = 30
    alarm_topic_arn         = "arn:aws:sns:ap-southeast-1:123456789012:rides"
    runbook                 = "docs/operate.md"
    tracing                 = false
    vpc                     = null
  }

  assert {
    condition     = endswith(aws_iam_role.function.name, "-ap-southeast-1") && length(aws_iam_role.function.name) <= 64
    error_message = "An account's regions share roles: the name must differ by region, within 64 characters."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["near-retention"].threshold == 12 * 3600 * 1000
    error_message = "The alarm must come at half of the shortest retention of all streams that the function reads."
  }
}

run "a_decision_service_in_another_partition" {
  command = plan
  module {
    source = "./modules/decisions"
  }
  variables {
    project = "project-of-20-letter"
    settings = {
      policy                     = "s3://policies/rides/1.json"
      opens                      = true
      environment                = {}
      memory_mb                  = 512
      timeout_seconds            = 60
      reserved_concurrency       = null
      batch_size                 = 100
      batching_window_seconds    = 0
      parallelization_factor     = 1
      maximum_retry_attempts     = 100
      maximum_record_age_seconds = 43200
      starting_position          = "TRIM_HORIZON"
    }
    image                  = "r@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    architecture           = "arm64"
    result_stream          = { name = "rides-predictions", arn = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/rides-predictions", retention_hours = 24 }
    event_stream           = { name = "rides-events", arn = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/rides-events", retention_hours = 24 }
    decision_stream        = { name = "rides-decisions", arn = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/rides-decisions" }
    dead_letter_bucket     = "rides"
    dead_letter_bucket_arn = "arn:aws-cn:s3:::rides"
    key_arn                = "arn:aws-cn:kms:cn-north-1:123456789012:key/1"
    log_retention_days     = 30
    alarm_topic_arn        = "arn:aws-cn:sns:cn-north-1:123456789012:rides"
    runbook                = "docs/operate.md"
    tracing                = false
    vpc                    = null
  }

  assert {
    condition     = local.policy_permissions[0].Resource == "arn:aws-cn:s3:::policies/rides/1.json" && local.via_dynamodb == "dynamodb.cn-north-1.amazonaws.com.cn"
    error_message = "The permissions must name the partition's own services and ARNs, and the policy's one object."
  }
  assert {
    condition     = endswith(aws_iam_role.tick.name, "-cn-north-1") && length(aws_iam_role.tick.name) <= 59
    error_message = "An account's regions share roles: the name must differ by region, within 64 characters for the longest region's."
  }
  assert {
    condition     = length(module.openings) == 1
    error_message = "With opens the event stream is read too."
  }
}
