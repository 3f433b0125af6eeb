{{/* The service's settings file. The chart itself sets addresses and ports (Services and probes use them), folders (volumes are
mounted there), and stay_up (with a bad bundle, a pod isn't ready instead of restarting). */}}
{{- define "customer-risk.settings" -}}
{{- $v := .Values -}}
model_name: {{ $v.model.name | quote }}
idempotency_seconds: {{ $v.idempotencySeconds }}
server:
  host: 0.0.0.0
  port: 8080
  metrics_port: 9091
  stay_up: true
  {{- include "customer-risk.snake" (dict "section" $v.server "omit" (list "preStopSeconds")) | nindent 2 }}
grpc:
  host: 0.0.0.0
  port: 8081
  {{- include "customer-risk.snake" (dict "section" $v.grpc "omit" list) | nindent 2 }}
rules:
  {{- with $v.rules.text }}
  file: /etc/customer-risk/rules.yaml
  {{- end }}
  {{- include "customer-risk.snake" (dict "section" $v.rules "omit" (list "text")) | nindent 2 }}
auth:
  {{- if $v.auth.jwksConfigMap }}
  jwks: /etc/customer-risk/jwks/jwks.json
  {{- else }}
  jwks: {{ $v.auth.jwks | quote }}
  {{- end }}
  {{- include "customer-risk.snake" (dict "section" $v.auth "omit" (list "jwks" "jwksConfigMap")) | nindent 2 }}
limits:
  {{- include "customer-risk.snake" (dict "section" $v.limits "omit" list) | nindent 2 }}
logs:
  {{- include "customer-risk.snake" (dict "section" $v.logs "omit" list) | nindent 2 }}
tracing:
  {{- include "customer-risk.snake" (dict "section" $v.tracing "omit" list) | nindent 2 }}
store:
  {{- if include "customer-risk.readsStoreUrl" . }}
  url_file: /etc/customer-risk/secrets/store-url
  {{- end }}
  {{- include "customer-risk.snake" (dict "section" $v.store "omit" (list "urlSecret")) | nindent 2 }}
jobs:
  {{- include "customer-risk.snake" (dict "section" $v.jobs "omit" list) | nindent 2 }}
record:
  folder: /var/lib/customer-risk/outbox
  most_bytes: {{ div (mul (include "customer-risk.bytes" $v.record.outboxSize) 4) 5 }}
  {{- if include "customer-risk.readsRecordKey" . }}
  key_file: /etc/customer-risk/secrets/record-key
  {{- end }}
  {{- include "customer-risk.snake" (dict "section" $v.record "omit" (list "sinks" "outboxSize" "keySecret" "spool" "ship")) | nindent 2 }}
  ship:
    embedded: false
    sinks:
      {{- toYaml $v.record.sinks | nindent 6 }}
    {{- if or $v.record.spool.hostPath $v.record.spool.claim }}
    spool: /var/lib/customer-risk/spool
    {{- end }}
    metrics_host: 0.0.0.0
    metrics_port: 9090
    {{- include "customer-risk.snake" (dict "section" $v.record.ship "omit" list) | nindent 4 }}
{{- end }}
