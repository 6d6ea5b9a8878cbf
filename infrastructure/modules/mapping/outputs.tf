output "uuid" {
  description = "The mapping"
  value       = aws_lambda_event_source_mapping.events.uuid
}

output "alarms" {
  description = "Names of all alarms"
  value       = [for alarm in concat(values(aws_cloudwatch_metric_alarm.alarm), [aws_cloudwatch_metric_alarm.not_reading]) : alarm.alarm_name]
}
