{{- define "customer-risk.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride -}}
{{- end }}

{{- define "customer-risk.serviceAccount" -}}
{{- default (include "customer-risk.fullname" .) .Values.serviceAccount.name -}}
{{- end }}

{{/* Labels of every object. They don't depend on a version: KServe copies the labels of an InferenceService to its pods, so a
changed label would restart them. */}}
{{- define "customer-risk.labels" -}}
app.kubernetes.io/name: customer-risk
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Selects the pods of the InferenceService, by labels that KServe sets. */}}
{{- define "customer-risk.selector" -}}
serving.kserve.io/inferenceservice: {{ include "customer-risk.fullname" . }}
component: predictor
{{- end }}

{{- define "customer-risk.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{/* `--set image.tag=6216774` makes the tag a number, which a template would print as 6.216774e+06. */}}
{{- .repository }}:{{ if kindIs "string" .tag }}{{ .tag }}{{ else }}{{ int64 .tag }}{{ end }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The port at which the server answers /metrics. */}}
{{- define "customer-risk.metricsPort" -}}
{{ ternary "9091" "8080" (eq .Values.server.metrics "port") }}
{{- end }}

{{- define "customer-risk.bundlePath" -}}
{{ ternary "/bundle" "/mnt/models/bundle" .Values.model.baked }}
{{- end }}

{{/* A quantity of Mi or Gi in bytes. */}}
{{- define "customer-risk.bytes" -}}
{{- if hasSuffix "Gi" . -}}
{{- mul (trimSuffix "Gi" . | int64) 1073741824 -}}
{{- else -}}
{{- mul (trimSuffix "Mi" . | int64) 1048576 -}}
{{- end -}}
{{- end }}

{{/* A section of values as a section of settings, with keys in snake_case. Keys named in `omit` and keys that are null are left out:
the service's default of a null is the same, and Helm 3 keeps a null of values.yaml that Helm 4 drops. */}}
{{- define "customer-risk.snake" -}}
{{- $settings := dict -}}
{{- range $key, $value := .section -}}
{{- if not (or (has $key $.omit) (kindIs "invalid" $value)) -}}
{{- $_ := set $settings (snakecase $key) $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end }}

{{/* The paths of all strings in `value` that have a URL with a user or password, separated by spaces. */}}
{{- define "customer-risk.credentials" -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $key, $each := .value -}}
{{- include "customer-risk.credentials" (dict "value" $each "path" (printf "%s.%s" $path $key | trimPrefix ".")) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $index, $each := .value -}}
{{- include "customer-risk.credentials" (dict "value" $each "path" (printf "%s[%d]" $path $index)) -}}
{{- end -}}
{{- else if kindIs "string" .value -}}
{{- if regexMatch "://[^/?#\\s]*@" .value -}}
{{- printf "%s " $path -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Seconds from SIGTERM to SIGKILL, at least: the server's preStop, drain and grace and 10 more; then the shipper's drain and 5
more, because Kubernetes stops the shipper after the server has ended. */}}
{{- define "customer-risk.leastGrace" -}}
{{- $shipper := ternary (add (ceil .Values.record.ship.drainSeconds) 5) 0 .Values.record.enabled -}}
{{- add .Values.server.preStopSeconds (ceil .Values.server.drainSeconds) (ceil .Values.server.graceSeconds) 10 $shipper -}}
{{- end }}

{{- define "customer-risk.grace" -}}
{{- default (include "customer-risk.leastGrace" .) .Values.terminationGracePeriodSeconds -}}
{{- end }}

{{- define "customer-risk.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "customer-risk.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The size of a pod's disks in MiB: `scratch` is the size of /tmp; `records` is whether the pod has an outbox. */}}
{{- define "customer-risk.disks" -}}
{{- $sizes := list .scratch -}}
{{- if not .Values.model.baked -}}{{- $sizes = append $sizes .Values.model.diskSize -}}{{- end -}}
{{- if .records -}}{{- $sizes = append $sizes .Values.record.outboxSize -}}{{- end -}}
{{- include "customer-risk.mebibytes" $sizes -}}
{{- end }}

{{/* The sum of quantities of Mi or Gi, in MiB. */}}
{{- define "customer-risk.mebibytes" -}}
{{- $sum := 0 -}}
{{- range . -}}{{- $sum = add $sum (div (include "customer-risk.bytes" . | int64) 1048576) -}}{{- end -}}
{{- $sum -}}
{{- end }}

{{/* Whether the server reads Redis's URL, and whether it reads the key of customer ids: "true", or empty for no. The chart mounts
only Secrets that are read. */}}
{{- define "customer-risk.readsStoreUrl" -}}
{{- if and (eq .Values.store.kind "redis") .Values.store.urlSecret.name -}}true{{- end -}}
{{- end }}
{{- define "customer-risk.readsRecordKey" -}}
{{- if and .Values.record.enabled (eq .Values.record.customerId "hashed") -}}true{{- end -}}
{{- end }}

{{/* Parts of the specification that all pods of a release share: identity, security and placement. */}}
{{- define "customer-risk.pod" -}}
serviceAccountName: {{ include "customer-risk.serviceAccount" . }}
# No container calls the API server; Workload Identity uses the node's metadata server.
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "customer-risk.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The init container that fetches the bundle by its hash. */}}
{{- define "customer-risk.bundleContainer" -}}
name: bundle
image: {{ include "customer-risk.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - registry
  - pull
  - {{ .Values.model.bundle | quote }}
  - --registry
  - {{ .Values.model.registry | quote }}
  - --out
  - /mnt/models/bundle
  {{- with .Values.model.endpoint }}
  - --endpoint
  - {{ . | quote }}
  {{- end }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.model.resources | nindent 2 }}
securityContext:
  {{- include "customer-risk.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: models, mountPath: /mnt/models}
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.model.registryVolume }}
  - {name: registry, mountPath: /mnt/registry, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The volumes of every pod: /tmp, whose size is `tmpSize` or else scratchSize, the volumes of the bundle, and extraVolumes. */}}
{{- define "customer-risk.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ default .Values.scratchSize .tmpSize }}}
{{- if not .Values.model.baked }}
- name: models
  emptyDir: {sizeLimit: {{ .Values.model.diskSize }}}
{{- with .Values.model.registryVolume }}
- name: registry
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
