output "database" {
  description = "The AWS Glue database"
  value       = aws_glue_catalog_database.archive.name
}

output "tables" {
  description = "Where each table's files are"
  value       = { for name, table in aws_glue_catalog_table.table : name => table.storage_descriptor[0].location }
}

output "delivery_streams" {
  description = "The delivery stream that writes each table"
  value       = { for name, stream in aws_kinesis_firehose_delivery_stream.table : name => stream.name }
}

output "log_group" {
  description = "The log group of the delivery streams"
  value       = aws_cloudwatch_log_group.archive.name
}

output "alarms" {
  description = "Names of all alarms"
  value       = sort([for alarm in aws_cloudwatch_metric_alarm.alarm : alarm.alarm_name])
}
