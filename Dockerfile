# For macOS (including arm64) and Windows, for which MXNet 1.9.1 has no wheels:
#   docker build -t gluon-deeprnn .
#   docker run --rm -v "$PWD:/work" gluon-deeprnn train --text my.txt --out runs/mine
# Builds on x86-64 and aarch64.  `.ci/matrix Dockerfile` executes every step without Docker.
FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends g++ libgomp1 python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . /usr/local/src/gluon_deeprnn
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir /usr/local/src/gluon_deeprnn \
    && /opt/venv/bin/python -m pip install --no-cache-dir --no-deps mxnet==1.9.1 gluonnlp==0.10.0 \
    && /opt/venv/bin/gluon-deeprnn info
ENV HOME=/tmp PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /work
ENTRYPOINT ["/opt/venv/bin/gluon-deeprnn"]
