# The image with a bundle, for tests; a deployment fetches its bundle by hash. The context is the bundle's folder.
ARG IMAGE
FROM ${IMAGE}
COPY --chown=0:0 . /bundle
