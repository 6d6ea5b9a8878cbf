variable "name" {
  description = "Prefix of names"
  type        = string
}

variable "place" {
  description = "Where: AWS partition, its DNS suffix, region and account"
  type        = object({ partition = string, dns_suffix = string, region = string, account_id = string })
}

variable "budget" {
  description = "Whether a budget publishes to the alarms' topic; not every partition has budgets"
  type        = bool
}
