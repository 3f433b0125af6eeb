# The image of all steps of the pipeline after the first, which builds it; it isn't pushed (docs/guide/pipeline.md).
# All steps share one image, because a virtual environment works only with the Python that created it.
# Google's image alone is not enough: it has no make and no docker, and later versions have no Python for other programs.
# Google deletes its images after a year: name newer ones by then.
FROM gcr.io/google.com/cloudsdktool/google-cloud-cli:587.0.0-stable AS gcloud
# Only this variant has the plugin with which kubectl and the release tool sign in to GKE.
FROM gcr.io/google.com/cloudsdktool/google-cloud-cli:587.0.0 AS gke
FROM registry.k8s.io/kubectl:v1.34.4 AS kubectl
FROM golang:1.27.1-trixie AS go
FROM docker:29.9.0-cli AS docker

FROM python:3.13.16-trixie
COPY --from=gcloud /usr/lib/google-cloud-sdk /usr/lib/google-cloud-sdk
COPY --from=gke /usr/lib/google-cloud-sdk/bin/gke-gcloud-auth-plugin /usr/lib/google-cloud-sdk/bin/
COPY --from=kubectl /bin/kubectl /usr/local/bin/
COPY --from=go /usr/local/go /usr/local/go
COPY --from=docker /usr/local/bin/docker /usr/local/bin/
# The tests compile and run clients in Java and TypeScript.
RUN apt-get update && apt-get install --yes --no-install-recommends default-jdk-headless nodejs npm && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/google-cloud-sdk/bin:/usr/local/go/bin:$PATH
# A program that is missing or cannot start ends the build here.
RUN python3.13 --version && make --version && git --version && go version && java --version && javac --version && node --version && npm --version && docker --version && gcloud --version \
    && bq version && gke-gcloud-auth-plugin --version && kubectl version --client
