# Both streams as Parquet: a delivery stream and a table for each. A row is the event as it is on the wire.

locals {
  place  = regex("^s3://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/*$", var.location)
  bucket = "arn:${var.place.partition}:s3:::${local.place.bucket}"
  folder = local.place.prefix == "" ? "" : "${local.place.prefix}/"

  # The fields of docs/schemas, in the lower case to which the deserializer changes every key.
  columns = {
    ride_events = {
      event_type       = "string"
      ride_id          = "string"
      ride             = "struct<pulocationid:int,dolocationid:int,trip_distance:double,pickup_datetime:string,passenger_count:int,payment_type:int>"
      dropoff_datetime = "string"
      tip_amount       = "double"
      payment_type     = "int"
    }
    ride_predictions = {
      event_type = "string"
      event_id   = "string"
      model      = "string"
      version    = "string"
      prediction = "struct<ride_id:string,ride_duration:double,ride_duration_low:double,ride_duration_high:double,ride_tip:double>"
      arrived_at = "timestamp"
      stream     = "string"
    }
  }
}

resource "aws_glue_catalog_database" "archive" {
  name        = replace("${var.name}_archive", "-", "_")
  description = "The streams of ${var.name}, as Firehose writes them"
}

resource "aws_glue_catalog_table" "table" {
  for_each = local.columns

  database_name = aws_glue_catalog_database.archive.name
  name          = each.key
  table_type    = "EXTERNAL_TABLE"

  # Athena computes the partitions from these: nothing has to add them hour by hour.
  parameters = {
    classification              = "parquet"
    EXTERNAL                    = "TRUE"
    "projection.enabled"        = "true"
    "projection.date.type"      = "date"
    "projection.date.format"    = "yyyy-MM-dd"
    "projection.date.range"     = "2025-01-01,NOW"
    "projection.hour.type"      = "integer"
    "projection.hour.range"     = "0,23"
    "projection.hour.digits"    = "2"
    "storage.location.template" = "s3://${local.place.bucket}/${local.folder}${each.key}/date=$${date}/hour=$${hour}/"
  }

  partition_keys {
    name = "date"
    type = "string"
  }

  partition_keys {
    name = "hour"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${local.place.bucket}/${local.folder}${each.key}/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = each.value
      content {
        name = columns.key
        type = columns.value
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "archive" {
  #checkov:skip=CKV_AWS_338:a log line says why rows were not written; the owner chooses for how long
  name              = "/aws/kinesisfirehose/${var.name}-archive"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_cloudwatch_log_stream" "table" {
  for_each = local.columns

  name           = each.key
  log_group_name = aws_cloudwatch_log_group.archive.name
}

resource "aws_kinesis_firehose_delivery_stream" "table" {
  #checkov:skip=CKV_AWS_240:its source is a Kinesis stream, which is encrypted; Firehose refuses a second encryption
  #checkov:skip=CKV_AWS_241:the same
  for_each = local.columns

  name        = "${var.name}-${replace(each.key, "_", "-")}"
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = var.streams[each.key]
    role_arn           = aws_iam_role.archive.arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.archive.arn
    bucket_arn          = local.bucket
    prefix              = "${local.folder}${each.key}/date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    error_output_prefix = "${local.folder}_errors/${each.key}/!{firehose:error-output-type}/date=!{timestamp:yyyy-MM-dd}/"
    buffering_size      = 64 # MiB, the least with a conversion
    buffering_interval  = var.buffer_seconds
    kms_key_arn         = var.key_arn

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.archive.name
      log_stream_name = aws_cloudwatch_log_stream.table[each.key].name
    }

    data_format_conversion_configuration {
      input_format_configuration {
        deserializer {
          open_x_json_ser_de {
            case_insensitive = true
          }
        }
      }

      output_format_configuration {
        serializer {
          parquet_ser_de {
            compression = "SNAPPY"
          }
        }
      }

      schema_configuration {
        database_name = aws_glue_catalog_database.archive.name
        table_name    = aws_glue_catalog_table.table[each.key].name
        role_arn      = aws_iam_role.archive.arn
      }
    }
  }

  # Firehose checks what the role may do when the delivery stream is created.
  depends_on = [aws_iam_role_policy.archive]
}
