# One stage: every package comes as a wheel, so there is no compiler to leave behind.
# BASE also takes a digest, python:3.12-slim-trixie@sha256:…; a release records the one it was built from.
ARG BASE=python:3.12-slim-trixie
FROM ${BASE}

# The base's setuid programs can raise rights and nothing here needs them. A user by number, so that an orchestrator can
# see that it is not root.
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin bot \
    && install -d -m 0700 -o 10001 -g 10001 /data \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

WORKDIR /app
# REQUIREMENTS=requirements/chat.txt adds the bot in Discord, requirements/tape.txt records of the market.
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt .
COPY requirements/chat.txt requirements/tape.txt requirements/
# Tests and what only they load, type stubs, sources of compiled parts and the grammars of 500 languages are a fifth of the
# packages, and nothing reads them.
RUN PYTHONDONTWRITEBYTECODE=1 pip install -q --no-cache-dir --no-compile --root-user-action=ignore --disable-pip-version-check \
        --require-hashes --only-binary=:all: -r "$REQUIREMENTS" \
    && cd "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && find . -type d -name tests -not -path './pip/*' -prune -exec rm -r {} + \
    && rm -r numpy/f2py numpy/_core/_simd.*.so \
    && find pygments/lexers -name '*.py' -not -name '_*' -delete \
    && find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.a' -o -name '*.h' \) -delete

ENV PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 \
    BOT_DATA_DIR=/data
# What .dockerignore lets in.
COPY . .
# Backtests and simulated worlds are no work for a container of the daemon, and compile themselves where they are wished.
# A rehearsal of two minutes compiles exactly what the daemon loads, and shows that this image trades.
RUN python -m compileall -q -x '/(backtest|worlds)/' . && BOT_DATA_DIR=/tmp/rehearsal python main.py demo --minutes 2 --speed inf --json \
    && for verb in health status history check; do BOT_DATA_DIR=/tmp/rehearsal python main.py "$verb" >/dev/null 2>&1 || true; done \
    && rm -rf /tmp/rehearsal
ENV PYTHONDONTWRITEBYTECODE=1

ARG VERSION=unknown
ARG REVISION=unknown
ARG BASE
LABEL org.opencontainers.image.title="upbit-trading-daemon" \
      org.opencontainers.image.description="An asyncio trading daemon for Upbit KRW markets, with an embedded Upbit to rehearse against." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"

USER 10001
VOLUME ["/data"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=30s --start-period=180s --retries=3 CMD ["python", "main.py", "health"]
ENTRYPOINT ["python", "main.py"]
CMD ["run"]
