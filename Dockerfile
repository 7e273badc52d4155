# The image of daemon, multusctl and plugin: docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/multus-wasm:0.1.0 --push .
# Each architecture is built as itself: native, or emulated by the builder.
ARG NODE_VERSION=24.21.0
# The index of that image, for both architectures: what counts, whatever the tag becomes. docker-library/repo-info has it (repos/node/remote/24.21.0-slim.md), or
# docker buildx imagetools inspect node:24.21.0-slim
ARG NODE_DIGEST=sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

FROM node:${NODE_VERSION}-slim@${NODE_DIGEST} AS build
WORKDIR /src
# npm packages first: they change least.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --include=optional
COPY tools tools
COPY assembly assembly
COPY shim shim
COPY src src
COPY asconfig.json tsconfig.json LICENSE ./
# Installs what else it needs: a C compiler.
RUN node tools/run.mjs build
RUN node tools/run.mjs build:executable
RUN node tools/build/image.mjs /image

# Node with its libraries, and what was built: no shell, nothing to update but this image.
FROM scratch
LABEL org.opencontainers.image.title="multus-wasm" \
      org.opencontainers.image.description="Gives Kubernetes pods more than one network" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build /image/ /
# For the daemon's resident memory, and for glibc (mallopt(3)). One heap for all threads: with one for each, what the engine's compiler and collector free in one is
# no use to the others, 5 MB with 110 pods at once. And a fixed threshold: glibc raises its own with the first large block that is freed, which is the bundle's text,
# and keeps 2 to 3 MB from then on. The plugin gives the same to a daemon that it starts (shim/on_demand/on_demand.c).
ENV PATH=/usr/local/bin MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
# The daemon is root without capabilities: the manifests see to the second half.
USER 0:0
ENTRYPOINT ["/usr/local/bin/multusd"]
