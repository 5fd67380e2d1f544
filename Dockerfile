# Built in two stages because tulipy compiles; the final stage has neither compiler nor build tools.
FROM python:3.12-slim AS build
# The compiler lives only in this stage, so its version is not pinned; what it builds is, in requirements.txt.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BOT_DATA_DIR=/data
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin bot \
    && mkdir -m 0700 /data \
    && chown bot:bot /data
COPY --from=build /venv /venv
WORKDIR /app
COPY main.py failure.py state.py ./
COPY backtest backtest
COPY cli cli
COPY config config
COPY journal journal
COPY notifier notifier
COPY sandbox sandbox
COPY simulation simulation
COPY strategy strategy
COPY trader trader
COPY upbit upbit
COPY worlds worlds
USER 10001
VOLUME ["/data"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 CMD ["python", "main.py", "health"]
ENTRYPOINT ["python", "main.py"]
CMD ["run"]
