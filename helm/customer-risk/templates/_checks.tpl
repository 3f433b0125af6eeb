{{/* Ends the command with all contradictions of the values. `fail` prints them plainly, but `helm lint` ignores it; the include
of a template that doesn't exist, whose name is the message, is an error for `helm lint` too. */}}
{{- define "customer-risk.checks" -}}
{{- $problems := include "customer-risk.problems" . | trim -}}
{{- if $problems -}}
{{- $message := regexReplaceAll "\\s*\\n\\s*" $problems "\n" | printf "these values can't be deployed:\n%s" -}}
{{- fail $message -}}
{{- include $message . -}}
{{- end -}}
{{- end }}

{{/* Contradictions of values, one line each. values.schema.json says what a single value may be. */}}
{{- define "customer-risk.problems" -}}
{{- $v := .Values -}}
{{- $name := include "customer-risk.fullname" . -}}
{{- $min := int $v.autoscaling.minReplicas -}}
{{- $max := int $v.autoscaling.maxReplicas -}}
{{- $production := eq $v.environment "production" -}}
{{- range $old, $new := dict "disruption" "podDisruptionBudget: it has the same keys" "spread" "topologySpreadConstraints: it is a list of Kubernetes' constraints" }}
{{- if hasKey $v $old }}
- {{ $old }} was renamed to {{ $new }} (see values.yaml).
{{- end }}
{{- end }}

{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,44}[a-z0-9])?$" $name) }}
- {{ $name | quote }} is not a valid name of an InferenceService and its CronJob. Use at most 46 lower-case letters, digits and dashes, a letter first: rename the release, or set fullnameOverride.
{{- end }}
{{- if not (or $v.image.tag $v.image.digest) }}
- image.tag and image.digest are both empty: set the image to run.
{{- end }}
{{- if and (eq (toString $v.image.tag) "latest") (not $v.image.digest) }}
- image.tag is latest, whose image changes: set a commit's tag or a digest.
{{- end }}
{{- if and $production (not $v.image.digest) }}
- image.digest is empty: production needs it, because the image of a tag can change.
{{- end }}

{{- if $v.model.baked }}
{{- if $production }}
- model.baked is true: production fetches its bundle by hash from the registry.
{{- end }}
{{- else }}
{{- if not $v.model.bundle }}
- model.bundle is empty: set the hash of the bundle to serve (customer-risk registry show champion).
{{- end }}
{{- if not $v.model.registry }}
- model.registry is empty: set it to gs://BUCKET/PREFIX or to a folder of model.registryVolume.
{{- else if not (hasPrefix "gs://" $v.model.registry) }}
{{- if not $v.model.registryVolume }}
- model.registry is the folder {{ $v.model.registry }}, but model.registryVolume is empty: set the volume that has the folder.
{{- else if not (hasPrefix "/mnt/registry" $v.model.registry) }}
- model.registry is {{ $v.model.registry }}, but model.registryVolume is mounted at /mnt/registry.
{{- end }}
{{- end }}
{{- end }}

{{- if gt $min $max }}
- autoscaling.minReplicas ({{ $min }}) is above autoscaling.maxReplicas ({{ $max }}).
{{- end }}
{{- if and $production (lt $min 3) }}
- autoscaling.minReplicas is {{ $min }}: production needs three pods, so that two serve while a node is drained and one while another pod fails.
{{- end }}
{{- if and (eq $v.environment "staging") (lt $min 2) }}
- autoscaling.minReplicas is 1: staging needs two pods, to show faults that only several pods have.
{{- end }}

{{- $least := $v.podDisruptionBudget.minAvailable }}
{{- $most := $v.podDisruptionBudget.maxUnavailable }}
{{- if eq (toString $least) "" }}
{{- if eq (toString $most) "" }}
- podDisruptionBudget.maxUnavailable and podDisruptionBudget.minAvailable are both empty: set one.
{{- else if eq (int $most) 0 }}
- podDisruptionBudget.maxUnavailable is 0, so no node can be drained: set it to 1 or more.
{{- end }}
{{- else if ne (toString $most) "" }}
- podDisruptionBudget.maxUnavailable and podDisruptionBudget.minAvailable are both set: set one to "".
{{- else if ge (int $least) $min }}
- podDisruptionBudget.minAvailable ({{ $least }}) is not below autoscaling.minReplicas ({{ $min }}), so no node can be drained.
{{- end }}

{{- $needed := include "customer-risk.leastGrace" . | int }}
{{- if and $v.terminationGracePeriodSeconds (lt (int $v.terminationGracePeriodSeconds) $needed) }}
- terminationGracePeriodSeconds ({{ $v.terminationGracePeriodSeconds }}) is too short: server.preStopSeconds, drainSeconds and graceSeconds and the shipper need {{ $needed }} seconds. Leave it null to have it computed.
{{- end }}
{{- if and (le (float64 $v.server.keepAliveSeconds) 600.0) (or $v.route.gke.enabled (ne $v.environment "local")) }}
- server.keepAliveSeconds is {{ $v.server.keepAliveSeconds }}, but Google's load balancer keeps connections for 600 seconds and gets errors from a server that closes them first: set more than 600.
{{- end }}
{{- if and (eq $v.server.metrics "scope") (ne $v.monitoring.kind "none") }}
- server.metrics is scope, but the {{ $v.monitoring.kind }} of the chart sends no token: set server.metrics to port, or set monitoring.kind to none and scrape with your own token.
{{- end }}

{{- $alerts := list }}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups }}{{ range .rules }}{{ with .alert }}{{ $alerts = append $alerts . }}{{ end }}{{ end }}{{ end }}
{{- range $v.alerts.disabled }}
{{- if not (has . $alerts) }}
- alerts.disabled has {{ . }}, which is not an alert. The alerts are {{ join ", " $alerts }}.
{{- end }}
{{- end }}
{{- $t := $v.alerts.thresholds }}
{{- range list (list "flaggedMinimum" "flaggedMaximum") (list "noTrafficRate" "minimumRate") (list "burnTicketSlow" "burnTicketFast") (list "burnTicketFast" "burnPageSlow") (list "burnPageSlow" "burnPageFast") }}
{{- $low := index $t (index . 0) }}
{{- $high := index $t (index . 1) }}
{{- if ge (float64 $low) (float64 $high) }}
- alerts.thresholds.{{ index . 0 }} ({{ $low }}) is not below alerts.thresholds.{{ index . 1 }} ({{ $high }}).
{{- end }}
{{- end }}

{{- if not (or $v.serviceAccount.create $v.serviceAccount.name) }}
- serviceAccount.create is false, but serviceAccount.name is empty: name the account that the pods use (`default` is the namespace's own).
{{- end }}
{{- range $key := keys $v.podLabels | sortAlpha }}
{{- if regexMatch "^(app|component|app\\.kubernetes\\.io/.*|serving\\.kserve\\.io/.*)$" $key }}
- podLabels has {{ $key }}, by which the chart and KServe select pods: use another label.
{{- end }}
{{- end }}
{{- range $key := keys $v.podAnnotations | sortAlpha }}
{{- if regexMatch "^(customer-risk\\.deblock\\.com|serving\\.kserve\\.io)/" $key }}
- podAnnotations has {{ $key }}, which the chart or KServe sets: use another annotation.
{{- end }}
{{- end }}
{{- $variables := list }}
{{- range $v.extraEnv }}
{{- if has .name $variables }}
- extraEnv has the name {{ .name }} more than once.
{{- end }}
{{- if eq (hasKey . "value") (hasKey . "valueFrom") }}
- extraEnv: {{ .name }} needs either value or valueFrom.
{{- end }}
{{- $variables = append $variables .name }}
{{- end }}
{{- $volumes := list }}
{{- range $v.extraVolumes }}
{{- if has .name (list "bundle" "config" "models" "outbox" "registry" "settings" "spool" "tmp" "token") }}
- extraVolumes has the name {{ .name }}, which is a volume of the chart: use another name.
{{- else if has .name $volumes }}
- extraVolumes has the name {{ .name }} more than once.
{{- end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- range $v.extraVolumeMounts }}
{{- if not (has .name $volumes) }}
- extraVolumeMounts has the name {{ .name }}, which extraVolumes lacks: add the volume.
{{- end }}
{{- end }}

{{- if $v.record.enabled }}
{{- if and (not $v.record.sinks) (ne $v.environment "local") }}
- record.sinks is empty, so records would be lost with the pod: name a bucket or a table, or set record.enabled to false.
{{- end }}
{{- $types := list }}
{{- range $v.record.sinks }}
{{- if and (eq .type "gcs") (not .bucket) }}
- record.sinks: the gcs sink has no bucket.
{{- end }}
{{- if and (eq .type "bigquery") (not (and .project .dataset)) }}
- record.sinks: the bigquery sink needs a project and a dataset.
{{- end }}
{{- if and (eq .type "bigquery") (hasKey . "table") (not .table) }}
- record.sinks: the bigquery sink's table is empty: name one, or leave it out for `decisions`.
{{- end }}
{{- if and (eq .type "folder") (ne $v.environment "local") }}
- record.sinks: a folder is lost with the pod: name a bucket or a table.
{{- end }}
{{- if has .type $types }}
- record.sinks has two sinks of type {{ .type }}, but progress is kept by type: keep one.
{{- end }}
{{- $types = append $types .type }}
{{- end }}
{{- if and (eq $v.record.customerId "hashed") (not $v.record.keySecret.name) }}
- record.customerId is hashed, but record.keySecret.name is empty: name the Secret that has the key.
{{- end }}
{{- if and $v.record.spool.hostPath $v.record.spool.claim }}
- record.spool.hostPath and record.spool.claim are both set: set one.
{{- end }}
{{- if gt (mul (int64 $v.record.fileBytes) 5) (include "customer-risk.bytes" $v.record.outboxSize | int64) }}
- record.fileBytes is more than a fifth of record.outboxSize: reduce the former or raise the latter.
{{- end }}
{{- else if $production }}
- record.enabled is false: production records every decision.
{{- end }}

{{- if $v.auth.enabled }}
{{- if and $v.auth.jwks $v.auth.jwksConfigMap }}
- auth.jwks and auth.jwksConfigMap are both set: set one as the source of the issuer's keys.
{{- end }}
{{- if not (and $v.auth.issuer $v.auth.audience (or $v.auth.jwks $v.auth.jwksConfigMap)) }}
- auth.enabled is true, which needs auth.issuer, auth.audience, and either auth.jwks or auth.jwksConfigMap.
{{- end }}
{{- $shared := without $v.auth.scopeClaims "scope" "scp" }}
{{- if and $shared (not $v.auth.scopePrefix) }}
- auth.scopePrefix is empty, and auth.scopeClaims has {{ join ", " $shared }}: every administrator of another service with the same audience would be an administrator of this service. Set auth.scopePrefix, or keep only scope and scp.
{{- end }}
{{- if and $v.test.enabled (not $v.test.tokenSecret) }}
- auth.enabled is true, but test.tokenSecret is empty, so `helm test` would be rejected: name a Secret with a token, or set test.enabled to false.
{{- end }}
{{- else if $production }}
- auth.enabled is false: production accepts only requests with a token.
{{- end }}

{{- if and (eq $v.store.kind "redis") (not (or $v.store.url $v.store.urlSecret.name)) }}
- store.kind is redis, but store.url and store.urlSecret.name are empty: set one.
{{- end }}
{{- if and $v.store.url $v.store.urlSecret.name }}
- store.url and store.urlSecret.name are both set: set one.
{{- end }}
{{- with include "customer-risk.credentials" (dict "value" $v "path" "") | trim }}
- {{ . }} has a user or password in a URL, and a ConfigMap would show it, because Helm keeps values in one. Remove it. Only Redis's URL may have a password: put the whole URL in a Secret and name it in store.urlSecret.
{{- end }}
{{- if and $v.jobs.enabled (eq $v.store.kind "file") (gt $max 1) }}
- jobs.enabled is true with store.kind file and more than one pod, so a client's next request could reach a pod that doesn't have its job: use redis, or one pod.
{{- end }}

{{- if $v.route.enabled }}
{{- if not (and $v.route.gateway.name $v.route.host) }}
- route.enabled is true, which needs route.gateway.name and route.host.
{{- end }}
{{- if $v.route.gke.enabled }}
{{- if $v.route.timeout }}
- route.timeout is set, but GKE's gateway refuses routes with a timeout: use route.gke.timeoutSeconds.
{{- end }}
{{- $check := $v.route.gke.healthCheck }}
{{- $unseen := mul (int $check.intervalSeconds) (int $check.unhealthyThreshold) }}
{{- if ge $unseen (add (int $v.server.preStopSeconds) (ceil $v.server.drainSeconds)) }}
- server.preStopSeconds and server.drainSeconds together don't exceed the {{ $unseen }} seconds until the load balancer sees that a pod isn't ready, so it would send requests to a closed port: raise server.drainSeconds.
{{- end }}
{{- if gt (int $check.timeoutSeconds) (int $check.intervalSeconds) }}
- route.gke.healthCheck.timeoutSeconds is above intervalSeconds, which Google refuses.
{{- end }}
{{- end }}
{{- if and $v.networkPolicy.enabled (not (or $v.networkPolicy.gatewayCidrs $v.networkPolicy.gatewayNamespace)) }}
- route.enabled is true, but networkPolicy admits no gateway: set networkPolicy.gatewayCidrs or networkPolicy.gatewayNamespace.
{{- end }}
{{- end }}

{{- if $v.networkPolicy.enabled }}
{{- if not $v.networkPolicy.egress.also }}
{{- if and $v.auth.enabled (hasPrefix "http" $v.auth.jwks) }}
- auth.jwks is a URL, but networkPolicy.egress.also doesn't let pods reach the issuer: add its address.
{{- end }}
{{- if eq $v.store.kind "redis" }}
- store.kind is redis, but networkPolicy.egress.also doesn't let pods reach Redis: add its address.
{{- end }}
{{- end }}
{{- if and (eq $v.monitoring.kind "serviceMonitor") (not (without $v.networkPolicy.scraperNamespaces "gmp-system" "gke-gmp-system")) }}
- monitoring.kind is serviceMonitor, but networkPolicy.scraperNamespaces admits only Google's collectors: add the namespace of the operator's Prometheus.
{{- end }}
{{- end }}

{{- $limits := list (index $v.resources.limits "ephemeral-storage") }}
{{- if $v.record.enabled }}{{ $limits = append $limits (index $v.shipper.resources.limits "ephemeral-storage") }}{{ end }}
{{- $disks := include "customer-risk.disks" (merge (dict "scratch" $v.scratchSize "records" $v.record.enabled) .) | int }}
{{- $limit := include "customer-risk.mebibytes" $limits | int }}
{{- if ge $disks $limit }}
- The disks of a server's pod (record.outboxSize, scratchSize, model.diskSize) have {{ $disks }} MiB in all, but Kubernetes evicts the pod beyond the ephemeral-storage limits of its containers, {{ $limit }} MiB in all: raise resources.limits.ephemeral-storage.
{{- end }}
{{- $disks = include "customer-risk.disks" (merge (dict "scratch" $v.scratchSize "records" false) .) | int }}
{{- $limit = include "customer-risk.mebibytes" (list (index $v.test.resources.limits "ephemeral-storage")) | int }}
{{- if and $v.test.enabled (ge $disks $limit) }}
- The disks of the test's pod (scratchSize, model.diskSize) have {{ $disks }} MiB in all, but its ephemeral-storage limit is {{ $limit }} MiB: raise test.resources.limits.ephemeral-storage above the disks.
{{- end }}

{{- if $v.batch.enabled }}
{{- $record := default dict $v.batch.settings.record }}
{{- $disks = include "customer-risk.disks" (merge (dict "scratch" $v.batch.scratchSize "records" (default false $record.enabled)) .) | int }}
{{- $limit = include "customer-risk.mebibytes" (list (index $v.batch.resources.limits "ephemeral-storage")) | int }}
{{- if ge $disks $limit }}
- The disks of the batch's pod (batch.scratchSize, model.diskSize, record.outboxSize) have {{ $disks }} MiB in all, but its ephemeral-storage limit is {{ $limit }} MiB: raise batch.resources.limits.ephemeral-storage above the disks.
{{- end }}
{{- if not (and $v.batch.settings.input $v.batch.settings.output) }}
- batch.enabled is true, but batch.settings lacks `input` or `output`: set what to read and where results go.
{{- end }}
{{- if $record.enabled }}
{{- if ne (default "" $record.folder) "/var/lib/customer-risk/outbox" }}
- batch.settings.record.folder isn't /var/lib/customer-risk/outbox, where the batch's pod has a disk for records.
{{- end }}
{{- $hashed := eq (default "" $record.customer_id) "hashed" }}
{{- if and (eq $v.record.customerId "hashed") (not $hashed) }}
- record.customerId is hashed, but batch.settings.record.customer_id isn't: the batch would record the same customers' ids in plain text.
{{- end }}
{{- if and $hashed (not (and $v.record.keySecret.name (eq (default "" $record.key_file) "/etc/customer-risk/secrets/record-key"))) }}
- batch.settings.record.customer_id is hashed, which needs record.keySecret.name and the key_file /etc/customer-risk/secrets/record-key, where the batch's pod has the key.
{{- end }}
{{- if dig "ship" "spool" "" $record }}
- batch.settings.record.ship.spool is set, but the batch's pod has no spool: the service's pods would ship the batch's records to their own sinks.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
