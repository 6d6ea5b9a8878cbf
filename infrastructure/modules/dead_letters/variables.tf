variable "bucket" {
  description = "The bucket's name"
  type        = string
}

variable "key_arn" {
  description = "KMS key"
  type        = string
}

variable "retention_days" {
  description = "How long objects are kept"
  type        = number
}
