# The variables' rules, with a mocked provider: each bad value is refused by the rule of its variable.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
}

variables {
  region     = "eu-central-1"
  account_id = "123456789012"
  image      = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/rides@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

run "the_least_that_is_needed" {
  command = plan

  assert {
    condition     = keys(module.consumer) == ["duration_tip"]
    error_message = "Without the variable consumers there is one consumer, duration_tip."
  }
  assert {
    condition     = length(module.decisions) == 0 && length(module.decision_stream) == 0 && output.decisions == null && output.decision_stream == null
    error_message = "Without the variable decisions there is no decision service."
  }
}

run "name_with_capitals" {
  command = plan
  variables {
    name = "Rides"
  }
  expect_failures = [var.name]
}

run "name_too_long" {
  command = plan
  variables {
    name = "rides-predictions-green"
  }
  expect_failures = [var.name]
}

run "name_ends_in_a_hyphen" {
  command = plan
  variables {
    name = "rides-"
  }
  expect_failures = [var.name]
}

run "region_of_a_zone" {
  command = plan
  variables {
    region = "eu-central-1a"
  }
  expect_failures = [var.region]
}

run "account_of_eleven_digits" {
  command = plan
  variables {
    account_id = "12345678901"
  }
  expect_failures = [var.account_id]
}

run "image_by_tag" {
  command = plan
  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/rides:latest"
  }
  expect_failures = [var.image]
}

run "image_by_half_a_digest" {
  command = plan
  variables {
    image = "rides@sha256:0123"
  }
  expect_failures = [var.image]
}

run "architecture_by_another_name" {
  command = plan
  variables {
    architecture = "amd64"
  }
  expect_failures = [var.architecture]
}

run "event_stream_of_unknown_mode" {
  command = plan
  variables {
    event_stream = { mode = "PROVISONED", shards = 1 }
  }
  expect_failures = [var.event_stream]
}

run "event_stream_provisioned_without_shards" {
  command = plan
  variables {
    event_stream = { mode = "PROVISIONED" }
  }
  expect_failures = [var.event_stream]
}

run "event_stream_of_half_a_shard" {
  command = plan
  variables {
    event_stream = { mode = "PROVISIONED", shards = 1.5 }
  }
  expect_failures = [var.event_stream]
}

run "event_stream_on_demand_with_shards" {
  command = plan
  variables {
    event_stream = { shards = 2 }
  }
  expect_failures = [var.event_stream]
}

run "event_stream_of_a_short_retention" {
  command = plan
  variables {
    event_stream = { retention_hours = 12 }
  }
  expect_failures = [var.event_stream]
}

run "event_stream_of_a_long_retention" {
  command = plan
  variables {
    event_stream = { retention_hours = 8761 }
  }
  expect_failures = [var.event_stream]
}

run "prediction_stream_of_unknown_mode" {
  command = plan
  variables {
    prediction_stream = { mode = "PROVISONED", shards = 1 }
  }
  expect_failures = [var.prediction_stream]
}

run "prediction_stream_provisioned_without_shards" {
  command = plan
  variables {
    prediction_stream = { mode = "PROVISIONED" }
  }
  expect_failures = [var.prediction_stream]
}

run "prediction_stream_of_half_a_shard" {
  command = plan
  variables {
    prediction_stream = { mode = "PROVISIONED", shards = 1.5 }
  }
  expect_failures = [var.prediction_stream]
}

run "prediction_stream_on_demand_with_shards" {
  command = plan
  variables {
    prediction_stream = { shards = 2 }
  }
  expect_failures = [var.prediction_stream]
}

run "prediction_stream_of_a_short_retention" {
  command = plan
  variables {
    prediction_stream = { retention_hours = 12 }
  }
  expect_failures = [var.prediction_stream]
}

run "prediction_stream_of_a_long_retention" {
  command = plan
  variables {
    prediction_stream = { retention_hours = 8761 }
  }
  expect_failures = [var.prediction_stream]
}

run "logs_for_a_fortnight_and_a_day" {
  command = plan
  variables {
    log_retention_days = 15
  }
  expect_failures = [var.log_retention_days]
}

run "dead_letters_for_no_day" {
  command = plan
  variables {
    dead_letter_retention_days = 0
  }
  expect_failures = [var.dead_letter_retention_days]
}

run "email_without_a_domain" {
  command = plan
  variables {
    alarm_emails = ["operations"]
  }
  expect_failures = [var.alarm_emails]
}

run "runbook_with_a_section" {
  command = plan
  variables {
    runbook = "docs/operate.md#errors"
  }
  expect_failures = [var.runbook]
}

run "budget_of_nothing" {
  command = plan
  variables {
    monthly_budget_usd = 0
  }
  expect_failures = [var.monthly_budget_usd]
}

run "namespace_of_aws" {
  command = plan
  variables {
    metrics_namespace = "AWS/Lambda"
  }
  expect_failures = [var.metrics_namespace]
}

run "vpc_without_subnets" {
  command = plan
  variables {
    vpc = { subnet_ids = [], security_group_ids = ["sg-0123456789abcdef0"] }
  }
  expect_failures = [var.vpc]
}

run "vpc_with_a_vpc_for_a_group" {
  command = plan
  variables {
    vpc = { subnet_ids = ["subnet-0123456789abcdef0"], security_group_ids = ["vpc-0123"] }
  }
  expect_failures = [var.vpc]
}

run "archive_in_a_folder" {
  command = plan
  variables {
    archive = { location = "build/archive" }
  }
  expect_failures = [var.archive]
}

run "archive_with_a_pattern_in_its_prefix" {
  command = plan
  variables {
    archive = { location = "s3://rides/*" }
  }
  expect_failures = [var.archive]
}

run "archive_written_every_second" {
  command = plan
  variables {
    archive = { location = "s3://rides/archive", buffer_seconds = 1 }
  }
  expect_failures = [var.archive]
}

run "no_archive" {
  command = plan

  assert {
    condition     = length(module.archive) == 0
    error_message = "Without the variable archive there is none."
  }
}

run "an_archive_in_a_bucket_of_its_own" {
  command = plan
  variables {
    archive = { location = "s3://rides" }
  }

  assert {
    condition     = module.archive[0].tables == { ride_events = "s3://rides/ride_events/", ride_predictions = "s3://rides/ride_predictions/" }
    error_message = "Without a prefix the tables are in the bucket's root."
  }
}

run "no_consumer" {
  command = plan
  variables {
    consumers = {}
  }
  expect_failures = [var.consumers]
}

run "consumer_with_capitals" {
  command = plan
  variables {
    consumers = { Tip = {} }
  }
  expect_failures = [var.consumers]
}

run "consumer_setting_of_terraform" {
  command = plan
  variables {
    consumers = { tip = { environment = { DEAD_LETTERS = "s3://mine" } } }
  }
  expect_failures = [var.consumers]
}

run "consumer_setting_of_lambda" {
  command = plan
  variables {
    consumers = { tip = { environment = { AWS_REGION = "eu-central-1" } } }
  }
  expect_failures = [var.consumers]
}

run "consumer_log_level_that_drops_metrics" {
  command = plan
  variables {
    consumers = { tip = { environment = { LOG_LEVEL = "ERROR" } } }
  }
  expect_failures = [var.consumers]
}

run "consumer_unknown_aggregation" {
  command = plan
  variables {
    consumers = { tip = { environment = { AGGREGATE_OUTPUT = "some" } } }
  }
  expect_failures = [var.consumers]
}

run "consumer_bundle_by_http" {
  command = plan
  variables {
    consumers = { tip = { environment = { MODEL_LOCATION = "https://bundles/tip" } } }
  }
  expect_failures = [var.consumers]
}

run "consumer_that_never_looks_at_its_pointer" {
  command = plan
  variables {
    consumers = { tip = { environment = { MODEL_LOCATION = "s3://models/champion.json", MODEL_REFRESH_SECONDS = "0" } } }
  }
  expect_failures = [var.consumers]
}

run "consumer_with_one_version_for_all_models_of_a_pointer" {
  command = plan
  variables {
    consumers = { tip = { environment = { MODEL_LOCATION = "s3://models/champion.json", RUN_ID = "trial" } } }
  }
  expect_failures = [var.consumers]
}

run "consumer_memory_of_64_mb" {
  command = plan
  variables {
    consumers = { tip = { memory_mb = 64 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_timeout_too_short_to_publish" {
  command = plan
  variables {
    consumers = { tip = { timeout_seconds = 15 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_timeout_above_lambdas" {
  command = plan
  variables {
    consumers = { tip = { timeout_seconds = 901 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_no_concurrency" {
  command = plan
  variables {
    consumers = { tip = { reserved_concurrency = 0 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_batch_of_none" {
  command = plan
  variables {
    consumers = { tip = { batch_size = 0 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_batch_above_lambdas" {
  command = plan
  variables {
    consumers = { tip = { batch_size = 10001 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_window_above_lambdas" {
  command = plan
  variables {
    consumers = { tip = { batching_window_seconds = 301 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_eleven_batches_of_a_shard" {
  command = plan
  variables {
    consumers = { tip = { parallelization_factor = 11 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_retries_without_end" {
  command = plan
  variables {
    consumers = { tip = { maximum_retry_attempts = -1 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_record_age_without_end" {
  command = plan
  variables {
    consumers = { tip = { maximum_record_age_seconds = -1 } }
  }
  expect_failures = [var.consumers]
}

run "consumer_unknown_position" {
  command = plan
  variables {
    consumers = { tip = { starting_position = "AT_TIMESTAMP" } }
  }
  expect_failures = [var.consumers]
}

run "consumer_filter_that_is_no_json" {
  command = plan
  variables {
    consumers = { tip = { filter_patterns = ["event_type"] } }
  }
  expect_failures = [var.consumers]
}

run "consumer_six_filters" {
  command = plan
  variables {
    consumers = { tip = { filter_patterns = ["{}", "{}", "{}", "{}", "{}", "{}"] } }
  }
  expect_failures = [var.consumers]
}

run "decisions_without_a_bucket" {
  command = plan
  variables {
    decisions = { policy = "s3://policies" }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_a_folder_as_policy" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/rides/" }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_a_policy_of_another_scheme" {
  command = plan
  variables {
    decisions = { policy = "https://example.com/policy.json" }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_the_table_as_a_setting" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", environment = { DECISION_TABLE = "another" } }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_a_reserved_setting" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", environment = { AWS_REGION = "eu-west-1" } }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_a_log_level_above_info" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", environment = { LOG_LEVEL = "WARNING" } }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_little_memory" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", memory_mb = 127 }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_a_short_timeout" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", timeout_seconds = 29 }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_half_a_record" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", batch_size = 0.5 }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_a_long_window" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", batching_window_seconds = 301 }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_eleven_batches_of_a_shard" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", parallelization_factor = 11 }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_retries_without_end" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", maximum_retry_attempts = -1 }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_a_record_age_without_end" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", maximum_record_age_seconds = -1 }
  }
  expect_failures = [var.decisions]
}

run "decisions_with_no_concurrency_for_a_tick" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", reserved_concurrency = 1 }
  }
  expect_failures = [var.decisions]
}

run "decisions_from_an_unknown_position" {
  command = plan
  variables {
    decisions = { policy = "s3://policies/a.json", starting_position = "AT_TIMESTAMP" }
  }
  expect_failures = [var.decisions]
}

run "consumer_with_the_decision_services_name" {
  command = plan
  variables {
    consumers = { decisions = {} }
  }
  expect_failures = [var.consumers]
}

run "decision_stream_of_no_shards" {
  command = plan
  variables {
    decision_stream = { mode = "PROVISIONED" }
  }
  expect_failures = [var.decision_stream]
}

run "decision_stream_with_shards_on_demand" {
  command = plan
  variables {
    decision_stream = { shards = 2 }
  }
  expect_failures = [var.decision_stream]
}

run "decision_stream_for_an_hour" {
  command = plan
  variables {
    decision_stream = { retention_hours = 1 }
  }
  expect_failures = [var.decision_stream]
}

run "decision_stream_of_another_mode" {
  command = plan
  variables {
    decision_stream = { mode = "on demand" }
  }
  expect_failures = [var.decision_stream]
}

run "a_decision_service_with_a_policy_in_the_image" {
  command = plan
  variables {
    decisions = { policy = "models/policy.json" }
  }

  assert {
    condition     = module.decisions["decisions"].openings_mapping_uuid == null && keys(module.decisions) == ["decisions"]
    error_message = "Without opens there is one mapping."
  }
}
