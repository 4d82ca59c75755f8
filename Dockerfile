# The production image: `daymark`, its dependencies by hash, and nothing else. No compiler, no Java, no extra `local`.
#
#   docker build -t daymark .
#   docker run --rm daymark --help

FROM python:3.13-slim-trixie AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# pip stays outside of what the image carries.
RUN python -m venv --without-pip /opt/daymark
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/daymark/bin/python install --require-hashes --only-binary :all: -r requirements.txt

# What builds the project is locked, too. It comes after the dependencies, so that a change of code alone is quick.
COPY requirements-build.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes --only-binary :all: -r requirements-build.txt
COPY . .
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/daymark/bin/python install --no-index --no-deps --no-cache-dir /wheel/*.whl


FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="Daymark" \
      org.opencontainers.image.description="One interaction per contact per day: Segment's identify calls into a contact timeline" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/daymark /opt/daymark

# Inside a container the loopback address reaches nobody: listen on all of its own.
ENV PATH=/opt/daymark/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DAYMARK_HTTP=0.0.0.0:8080 \
    DAYMARK_ADMIN=0.0.0.0:8081
EXPOSE 8080 8081

# A volume that is mounted here, for the locks of workers' slots, begins with this owner.
RUN install -d -o 10001 -g 10001 /run/daymark

# A number, so that Kubernetes' runAsNonRoot can tell. It needs no writable file but a lock
# in /run/daymark or /tmp.
USER 10001:10001

# Exec form: daymark is PID 1 and gets SIGTERM itself.
ENTRYPOINT ["daymark"]
CMD ["--help"]
