#!/bin/sh
if [ $# -ne 1 ]; then
    echo "lambda-entrypoint.sh takes one argument, the handler, such as module.function" >&2
    exit 142
fi
export _HANDLER="$1" AWS_EXECUTION_ENV=AWS_Lambda_python3.13
if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    exec python3 -m awslambdaric "$_HANDLER"
fi
exec /usr/local/bin/aws-lambda-rie /usr/bin/python3 -m awslambdaric "$_HANDLER"
