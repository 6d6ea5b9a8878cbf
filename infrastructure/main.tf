data "aws_partition" "this" {}

locals {
  streams = { event = "${var.name}-events", prediction = "${var.name}-predictions" }

  place = {
    partition  = data.aws_partition.this.partition
    dns_suffix = data.aws_partition.this.dns_suffix
    region     = var.region
    account_id = var.account_id
  }
}

module "repository" {
  source = "./modules/repository"
  name   = var.name
}

module "encryption" {
  source = "./modules/encryption"
  name   = var.name
  place  = local.place
  budget = var.monthly_budget_usd != null
}

module "observability" {
  source             = "./modules/observability"
  name               = var.name
  place              = local.place
  key_arn            = module.encryption.key_arn
  alarm_emails       = var.alarm_emails
  runbook            = var.runbook
  monthly_budget_usd = var.monthly_budget_usd
  metrics_namespace  = var.metrics_namespace
  event_stream       = local.streams.event
  prediction_stream  = local.streams.prediction
  functions          = [for name in concat(keys(var.consumers), var.decisions == null ? [] : ["decisions"]) : "${var.name}-${name}"]
}

module "event_stream" {
  source          = "./modules/stream"
  name            = local.streams.event
  mode            = var.event_stream.mode
  shards          = var.event_stream.shards
  retention_hours = var.event_stream.retention_hours
  key_arn         = module.encryption.key_arn
  alarm_topic_arn = module.observability.alarm_topic_arn
  runbook         = var.runbook
}

module "prediction_stream" {
  source          = "./modules/stream"
  name            = local.streams.prediction
  mode            = var.prediction_stream.mode
  shards          = var.prediction_stream.shards
  retention_hours = var.prediction_stream.retention_hours
  key_arn         = module.encryption.key_arn
  alarm_topic_arn = module.observability.alarm_topic_arn
  runbook         = var.runbook
}

module "dead_letters" {
  source         = "./modules/dead_letters"
  bucket         = "${var.name}-dead-letters-${var.account_id}-${var.region}"
  key_arn        = module.encryption.key_arn
  retention_days = var.dead_letter_retention_days
}

module "archive" {
  source = "./modules/archive"
  count  = var.archive == null ? 0 : 1

  name               = var.name
  place              = local.place
  location           = try(var.archive.location, "")
  buffer_seconds     = try(var.archive.buffer_seconds, 300)
  streams            = { ride_events = module.event_stream.arn, ride_predictions = module.prediction_stream.arn }
  key_arn            = module.encryption.key_arn
  log_retention_days = var.log_retention_days
  alarm_topic_arn    = module.observability.alarm_topic_arn
  runbook            = var.runbook
}

module "consumer" {
  source   = "./modules/consumer"
  for_each = var.consumers

  name                   = each.key
  project                = var.name
  place                  = local.place
  description            = "Predictions for ${module.event_stream.name}, on ${module.prediction_stream.name}"
  settings               = each.value
  image                  = var.image
  architecture           = var.architecture
  event_stream           = { name = module.event_stream.name, arn = module.event_stream.arn }
  prediction_stream      = { name = module.prediction_stream.name, arn = module.prediction_stream.arn }
  retention_hours        = var.event_stream.retention_hours
  dead_letter_bucket     = module.dead_letters.bucket
  dead_letter_bucket_arn = module.dead_letters.bucket_arn
  key_arn                = module.encryption.key_arn
  log_retention_days     = var.log_retention_days
  alarm_topic_arn        = module.observability.alarm_topic_arn
  runbook                = var.runbook
  tracing                = var.tracing
  vpc                    = var.vpc
}
