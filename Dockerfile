# The production image: `daymark`, its dependencies by hash, and nothing else. No compiler, no Java, no extra `local`.
#
#   docker build -t daymark .
#   docker run --rm daymark --help

# For a build that can be repeated, name the base by its digest: --build-arg PYTHON_IMAGE=python:3.13-slim-trixie@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# pip stays outside of what the image carries.
RUN python -m venv --without-pip /opt/daymark
COPY locks/run.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/daymark/bin/python install --require-hashes --only-binary :all: -r locks/run.txt

# What builds the project is locked, too. It comes after the dependencies, so that a change of code alone is quick.
COPY locks/build.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --only-binary :all: -r locks/build.txt
COPY . .
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/daymark/bin/python install --no-index --no-deps --no-cache-dir /wheel/*.whl
# What no command of ours runs: scripts of libraries, and the syntax colours of tracebacks, which cost every start 30 ms.
RUN cd /opt/daymark && rm -rf bin/__pycache__ && find bin -type f ! -name daymark -delete \
 && rm -rf lib/python*/site-packages/pygments*


FROM ${PYTHON_IMAGE}
# `make image` says which; the labels' meaning: https://specs.opencontainers.org/image-spec/annotations/
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=
LABEL org.opencontainers.image.title="Daymark" \
      org.opencontainers.image.description="One interaction per contact per day: Segment's identify calls into a contact timeline" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.url="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}"

# No package manager in what runs.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /opt/daymark /opt/daymark
# The base image has the standard library without bytecode, and a read-only container would compile it at every start.
RUN cd /opt/daymark/bin && for command in ingest process topics tail audit; do ./python -c "import daymark.commands.$command"; done && ./python -c "import daymark.timeline_wiring"

# Inside a container the loopback address is unreachable from outside: listen on all interfaces, IPv6 and IPv4.
ENV PATH=/opt/daymark/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DAYMARK_HTTP=[::]:8080 \
    DAYMARK_ADMIN=[::]:8081
EXPOSE 8080 8081

# A volume that is mounted here, for the locks of workers' slots, begins with this owner.
RUN install -d -o 10001 -g 10001 /run/daymark

# A number, so that Kubernetes' runAsNonRoot can check it. It needs no writable file but a lock
# in /run/daymark or /tmp.
USER 10001:10001

# Ready: the part and what it needs answer. http.client heeds no proxy settings.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "\
from http.client import HTTPConnection\n\
admin = HTTPConnection('127.0.0.1', 8081, timeout=3)\n\
admin.request('GET', '/readyz')\n\
raise SystemExit(admin.getresponse().status != 200)"]

# Exec form: daymark is PID 1 and gets SIGTERM itself.
ENTRYPOINT ["daymark"]
CMD ["--help"]
