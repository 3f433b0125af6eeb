{{/* The specification of the server's pods. A change of it makes new pods, so the InferenceService's annotation `config` contains its hash. */}}
{{- define "customer-risk.predictor" -}}
{{- $name := include "customer-risk.fullname" . -}}
{{- $v := .Values -}}
{{- $spool := or $v.record.spool.hostPath $v.record.spool.claim -}}
{{ include "customer-risk.pod" . }}
{{- with $v.podLabels }}
labels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ include "customer-risk.grace" . }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "customer-risk.selector" $ | fromYaml)) }}
  - {{ merge (deepCopy .) (ternary dict $selector (hasKey . "labelSelector")) | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- if or (not $v.model.baked) $v.record.enabled }}
initContainers:
  {{- if not $v.model.baked }}
  - {{ include "customer-risk.bundleContainer" . | nindent 4 | trim }}
  {{- end }}
  {{- if $v.record.enabled }}
  # A native sidecar: it starts before the server and ends after it.
  - name: shipper
    image: {{ include "customer-risk.image" . | quote }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    restartPolicy: Always
    args: [ship, --config, /etc/customer-risk/serving.yaml]
    ports:
      - {name: shipper-metrics, containerPort: 9090, protocol: TCP}
    # The shipper listens after it has tried its sinks. No readiness probe: a failed sink must not take a pod out of service.
    livenessProbe:
      httpGet: {path: /metrics, port: 9090}
      initialDelaySeconds: 120
      periodSeconds: 30
      timeoutSeconds: 10
      failureThreshold: 4
    {{- with $v.extraEnv }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml $v.shipper.resources | nindent 6 }}
    securityContext:
      {{- include "customer-risk.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: settings, mountPath: /etc/customer-risk, readOnly: true}
      - {name: outbox, mountPath: /var/lib/customer-risk/outbox}
      {{- if $spool }}
      - {name: spool, mountPath: /var/lib/customer-risk/spool}
      {{- end }}
      - {name: tmp, mountPath: /tmp}
      {{- with $v.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- end }}
{{- end }}
containers:
  - name: kserve-container
    image: {{ include "customer-risk.image" . | quote }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    args: [serve, {{ include "customer-risk.bundlePath" . }}, --config, /etc/customer-risk/serving.yaml]
    ports:
      # KServe's Service uses the first port.
      - {name: http, containerPort: 8080, protocol: TCP}
      {{- if $v.grpc.enabled }}
      - {name: grpc, containerPort: 8081, protocol: TCP}
      {{- end }}
      {{- if eq $v.server.metrics "port" }}
      - {name: metrics, containerPort: 9091, protocol: TCP}
      {{- end }}
    {{- with $v.extraEnv }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if $v.server.preStopSeconds }}
    lifecycle:
      preStop:
        sleep: {seconds: {{ $v.server.preStopSeconds }}}
    {{- end }}
    # The startup probe asks only whether the server is alive: with a bad bundle the pod stays alive, not ready, and logs why.
    startupProbe:
      httpGet: {path: /healthz, port: 8080}
      periodSeconds: 1
      timeoutSeconds: 5
      failureThreshold: {{ $v.probes.startupSeconds }}
    readinessProbe:
      httpGet: {path: /v2/health/ready, port: 8080}
      periodSeconds: {{ $v.probes.readinessPeriodSeconds }}
      timeoutSeconds: 5
      failureThreshold: 2
    livenessProbe:
      httpGet: {path: /healthz, port: 8080}
      periodSeconds: {{ $v.probes.livenessPeriodSeconds }}
      timeoutSeconds: 5
      failureThreshold: {{ $v.probes.livenessFailures }}
    resources:
      {{- toYaml $v.resources | nindent 6 }}
    securityContext:
      {{- include "customer-risk.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: config, mountPath: /etc/customer-risk, readOnly: true}
      {{- if not $v.model.baked }}
      - {name: models, mountPath: /mnt/models, readOnly: true}
      {{- end }}
      {{- if $v.record.enabled }}
      - {name: outbox, mountPath: /var/lib/customer-risk/outbox}
      {{- end }}
      - {name: tmp, mountPath: /tmp}
      {{- with $v.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  {{- include "customer-risk.volumes" . | nindent 2 }}
  # Each container has one volume with the files that it reads, because a mount below a read-only mount is impossible. The shipper
  # reads no Secret.
  {{- if $v.record.enabled }}
  - name: settings
    projected:
      sources:
        - configMap:
            name: {{ $name }}
            items:
              - {key: serving.yaml, path: serving.yaml}
  {{- end }}
  - name: config
    projected:
      sources:
        - configMap:
            name: {{ $name }}
            items:
              - {key: serving.yaml, path: serving.yaml}
              {{- if $v.rules.text }}
              - {key: rules.yaml, path: rules.yaml}
              {{- end }}
        {{- with $v.auth.jwksConfigMap }}
        - configMap:
            name: {{ . }}
            items:
              - {key: jwks.json, path: jwks/jwks.json}
        {{- end }}
        {{- if include "customer-risk.readsStoreUrl" . }}
        - secret:
            name: {{ $v.store.urlSecret.name }}
            items:
              - {key: {{ $v.store.urlSecret.key }}, path: secrets/store-url}
        {{- end }}
        {{- if include "customer-risk.readsRecordKey" . }}
        - secret:
            name: {{ $v.record.keySecret.name }}
            items:
              - {key: {{ $v.record.keySecret.key }}, path: secrets/record-key}
        {{- end }}
  {{- if $v.record.enabled }}
  - name: outbox
    emptyDir: {sizeLimit: {{ $v.record.outboxSize }}}
  {{- with $v.record.spool.hostPath }}
  - name: spool
    hostPath: {path: {{ . | quote }}, type: Directory}
  {{- end }}
  {{- with $v.record.spool.claim }}
  - name: spool
    persistentVolumeClaim: {claimName: {{ . }}}
  {{- end }}
  {{- end }}
{{- end }}
