# The function's image: what is deployed. `make image` builds it. With another command it is the web service
# (docs/web.md); the function imports nothing of that.
# It builds with BuildKit and without, and takes from the network only the locked packages.
ARG BASE_IMAGE=public.ecr.aws/lambda/python:3.13

FROM ${BASE_IMAGE} AS packages
WORKDIR /build
COPY requirements/serve.txt scripts/trim.py ./
# Bytecode is trusted without a look at its source: the image changes as a whole or not at all.
RUN python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile \
      --require-hashes --only-binary :all: --target /packages --requirement serve.txt \
 && python3 trim.py /packages \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /packages

FROM ${BASE_IMAGE} AS function
WORKDIR /function
COPY lambda_function.py model*.py ./
COPY streaming/*.py streaming/
COPY streaming/consumer streaming/consumer
COPY streaming/decisions streaming/decisions
COPY web web
COPY models models
# Lambda runs it as a user of its own, whatever a checkout's file modes are.
RUN chmod -R a+rX . && python3 -m compileall -q --invalidation-mode unchecked-hash .

FROM ${BASE_IMAGE}
COPY --from=packages /packages ${LAMBDA_TASK_ROOT}
COPY --from=function /function ${LAMBDA_TASK_ROOT}
# What stops a start is then one line of JSON, as all of the function's logs are.
ENV AWS_LAMBDA_LOG_FORMAT=JSON
# onnxruntime reports its use to its maker unless this is set.
ENV ORT_DISABLE_TELEMETRY=1
USER 1000
# A decision service is the same image with another command: streaming.decisions.decision_function.handler
CMD ["lambda_function.lambda_handler"]
ARG VERSION=unknown
ARG REVISION=unknown
ARG MODEL_VERSION=unknown
LABEL org.opencontainers.image.title="Ride predictions" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      model.version="${MODEL_VERSION}"
