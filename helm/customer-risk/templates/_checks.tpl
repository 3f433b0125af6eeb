{{/* Values that can't be meant together, each with a sentence. What one value alone may be stands in values.schema.json. */}}
{{- define "customer-risk.checks" -}}
{{- $v := .Values -}}
{{- $name := include "customer-risk.fullname" . -}}
{{- $min := int $v.autoscaling.minReplicas -}}
{{- $max := int $v.autoscaling.maxReplicas -}}
{{- $production := eq $v.environment "production" -}}
{{- $url := hasPrefix "http" $v.auth.jwks -}}

{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,44}[a-z0-9])?$" $name) -}}
{{- fail (printf "The name %q can't be one of an InferenceService and its CronJob: at most 46 small letters, digits and dashes, a letter first. Name the release otherwise, or set fullnameOverride." $name) -}}
{{- end -}}

{{- if not (or $v.image.tag $v.image.digest) -}}
{{- fail "image.tag and image.digest are both empty: say which image to run." -}}
{{- end -}}
{{- if and (eq (toString $v.image.tag) "latest") (not $v.image.digest) -}}
{{- fail "image.tag is latest, which is another image next week: give a commit's tag or a digest." -}}
{{- end -}}
{{- if and $production (not $v.image.digest) -}}
{{- fail "image.digest is empty: production runs an image by its digest, which nobody can move." -}}
{{- end -}}

{{- if $v.model.baked -}}
{{- if $production -}}
{{- fail "model.baked is true: production fetches its bundle by hash from the registry." -}}
{{- end -}}
{{- else -}}
{{- if not $v.model.bundle -}}
{{- fail "model.bundle is empty: give the hash of the bundle to serve (customer-risk registry show champion)." -}}
{{- end -}}
{{- if not $v.model.registry -}}
{{- fail "model.registry is empty: say where the bundle is fetched from, gs://BUCKET/PREFIX or a folder of model.registryVolume." -}}
{{- end -}}
{{- if and (not (hasPrefix "gs://" $v.model.registry)) (not $v.model.registryVolume) -}}
{{- fail (printf "model.registry is the folder %s, but model.registryVolume is empty: no volume has it." $v.model.registry) -}}
{{- end -}}
{{- if and (not (hasPrefix "gs://" $v.model.registry)) (not (hasPrefix "/mnt/registry" $v.model.registry)) -}}
{{- fail (printf "model.registry is %s, but model.registryVolume is mounted at /mnt/registry." $v.model.registry) -}}
{{- end -}}
{{- end -}}

{{- if and (eq $v.server.metrics "scope") (ne $v.monitoring.kind "none") -}}
{{- fail (printf "server.metrics is scope, but the %s of the chart sends no token: set server.metrics to port, or set monitoring.kind to none and scrape with a token of your own." $v.monitoring.kind) -}}
{{- end -}}

{{- if gt $min $max -}}
{{- fail (printf "autoscaling.minReplicas (%d) is above autoscaling.maxReplicas (%d)." $min $max) -}}
{{- end -}}
{{- if and $production (lt $min 3) -}}
{{- fail (printf "autoscaling.minReplicas is %d: production keeps three pods, so that one may be drained while another fails." $min) -}}
{{- end -}}
{{- if and (eq $v.environment "staging") (lt $min 2) -}}
{{- fail "autoscaling.minReplicas is 1: staging keeps two pods, so that what breaks with several breaks there." -}}
{{- end -}}

{{- $least := $v.disruption.minAvailable -}}
{{- $most := $v.disruption.maxUnavailable -}}
{{- if and (kindIs "invalid" $least) (kindIs "invalid" $most) -}}
{{- fail "disruption.maxUnavailable and disruption.minAvailable are both null: give one." -}}
{{- end -}}
{{- if not (or (kindIs "invalid" $least) (kindIs "invalid" $most)) -}}
{{- fail "disruption.maxUnavailable and disruption.minAvailable are both given: set one to null." -}}
{{- end -}}
{{- if and (not (kindIs "invalid" $least)) (ge (int $least) $min) -}}
{{- fail (printf "disruption.minAvailable (%d) is not below autoscaling.minReplicas (%d): no node could ever be drained." (int $least) $min) -}}
{{- end -}}
{{- if and (kindIs "invalid" $least) (eq (int $most) 0) -}}
{{- fail "disruption.maxUnavailable is 0: no node could ever be drained." -}}
{{- end -}}

{{- $needed := include "customer-risk.leastGrace" . | int -}}
{{- if and $v.terminationGracePeriodSeconds (lt (int $v.terminationGracePeriodSeconds) $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds (%d) is too short: preStop, drain, grace and the shipper's drain take %d seconds. Leave it null to have it computed." (int $v.terminationGracePeriodSeconds) $needed) -}}
{{- end -}}

{{- if $v.record.enabled -}}
{{- if and (not $v.record.sinks) (ne $v.environment "local") -}}
{{- fail "record.sinks is empty: records would stay in the pod's own disk and end with it. Name a bucket or a table, or set record.enabled to false." -}}
{{- end -}}
{{- $types := list -}}
{{- range $v.record.sinks -}}
{{- if and (eq .type "gcs") (not .bucket) -}}
{{- fail "record.sinks: the gcs sink has no bucket." -}}
{{- end -}}
{{- if and (eq .type "bigquery") (not (and .project .dataset)) -}}
{{- fail "record.sinks: the bigquery sink needs a project and a dataset." -}}
{{- end -}}
{{- if and (eq .type "bigquery") (hasKey . "table") (not .table) -}}
{{- fail "record.sinks: the bigquery sink's table is empty: name one, or leave it out for `decisions`." -}}
{{- end -}}
{{- if and (eq .type "folder") (ne $v.environment "local") -}}
{{- fail "record.sinks: a folder of the pod ends with it; name a bucket or a table." -}}
{{- end -}}
{{- if has .type $types -}}
{{- fail (printf "record.sinks has two of type %s: progress is kept by type, give each once." .type) -}}
{{- end -}}
{{- $types = append $types .type -}}
{{- end -}}
{{- if and (eq $v.record.customerId "hashed") (not $v.record.keySecret.name) -}}
{{- fail "record.customerId is hashed, but record.keySecret.name is empty: hashing takes a key." -}}
{{- end -}}
{{- if and $v.record.spool.hostPath $v.record.spool.claim -}}
{{- fail "record.spool.hostPath and record.spool.claim are both given: a spool is one of them." -}}
{{- end -}}
{{- if gt (mul (int64 $v.record.fileBytes) 5) (include "customer-risk.bytes" $v.record.outboxSize | int64) -}}
{{- fail "record.fileBytes is more than a fifth of record.outboxSize: make files smaller or the outbox larger." -}}
{{- end -}}
{{- else if $production -}}
{{- fail "record.enabled is false: production records every decision." -}}
{{- end -}}

{{- if $v.auth.enabled -}}
{{- if and $v.auth.jwks $v.auth.jwksConfigMap -}}
{{- fail "auth.jwks and auth.jwksConfigMap are both given: the issuer's keys come from one of them." -}}
{{- end -}}
{{- if not (and $v.auth.issuer $v.auth.audience (or $v.auth.jwks $v.auth.jwksConfigMap)) -}}
{{- fail "auth.enabled is true, which takes auth.issuer, auth.audience, and the issuer's keys by auth.jwks or auth.jwksConfigMap." -}}
{{- end -}}
{{- $shared := without $v.auth.scopeClaims "scope" "scp" -}}
{{- if and $shared (not $v.auth.scopePrefix) -}}
{{- fail (printf "auth.scopePrefix is empty, and auth.scopeClaims holds %s: every administrator of another service with the same audience would be an administrator of this service. Set auth.scopePrefix, or leave only scope and scp." (join ", " $shared)) -}}
{{- end -}}
{{- if and $v.test.enabled (not $v.test.tokenSecret) -}}
{{- fail "auth.enabled is true, but test.tokenSecret is empty: `helm test` would be refused. Name a Secret with a token, or set test.enabled to false." -}}
{{- end -}}
{{- else if $production -}}
{{- fail "auth.enabled is false: production lets nobody in without a token." -}}
{{- end -}}

{{- if and (eq $v.store.kind "redis") (not (or $v.store.url $v.store.urlSecret.name)) -}}
{{- fail "store.kind is redis, but neither store.url nor store.urlSecret.name says where it is." -}}
{{- end -}}
{{- if and $v.store.url $v.store.urlSecret.name -}}
{{- fail "store.url and store.urlSecret are both given: the address comes from one of them." -}}
{{- end -}}
{{- if contains "@" $v.store.url -}}
{{- fail "store.url holds a user or password, which a ConfigMap would show: put the whole URL in a Secret and name it in store.urlSecret." -}}
{{- end -}}
{{- with include "customer-risk.credentials" (dict "value" $v "path" "") | trim -}}
{{- fail (printf "%s holds a user or password in a URL, which a ConfigMap would show, since Helm keeps values in one. Remove it. Only Redis's URL may have a password: put the whole URL in a Secret and name it in store.urlSecret." .) -}}
{{- end -}}
{{- if and $v.jobs.enabled (eq $v.store.kind "file") (gt $max 1) -}}
{{- fail "jobs.enabled is true with store.kind file and more than one pod: who asks for a job would meet a pod that doesn't know it. Use Redis, or one pod." -}}
{{- end -}}

{{- if $v.route.enabled -}}
{{- if not (and $v.route.gateway.name $v.route.host) -}}
{{- fail "route.enabled is true, which takes route.gateway.name and route.host." -}}
{{- end -}}
{{- if and $v.route.gke.enabled $v.route.timeout -}}
{{- fail "route.timeout is given for GKE's gateway, which refuses routes with one: use route.gke.timeoutSeconds." -}}
{{- end -}}
{{- $looks := mul (int $v.route.gke.healthCheck.intervalSeconds) (int $v.route.gke.healthCheck.unhealthyThreshold) -}}
{{- if and $v.route.gke.enabled (ge $looks (add (int $v.server.preStopSeconds) (ceil $v.server.drainSeconds))) -}}
{{- fail (printf "server.preStopSeconds and server.drainSeconds are together not more than the %d seconds that the load balancer takes to see a pod end: it would send requests to a closed port." $looks) -}}
{{- end -}}
{{- if and $v.route.gke.enabled (gt (int $v.route.gke.healthCheck.timeoutSeconds) (int $v.route.gke.healthCheck.intervalSeconds)) -}}
{{- fail "route.gke.healthCheck.timeoutSeconds is above intervalSeconds, which Google refuses." -}}
{{- end -}}
{{- end -}}

{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.egress.also) -}}
{{- if and $v.auth.enabled $url -}}
{{- fail "auth.jwks is a URL, but networkPolicy.egress.also lets pods reach no issuer." -}}
{{- end -}}
{{- if eq $v.store.kind "redis" -}}
{{- fail "store.kind is redis, but networkPolicy.egress.also lets pods reach no Redis." -}}
{{- end -}}
{{- end -}}
{{- if and $v.route.enabled $v.networkPolicy.enabled (not (or $v.networkPolicy.gatewayCidrs $v.networkPolicy.gatewayNamespace)) -}}
{{- fail "route.enabled is true, but networkPolicy lets no gateway in: give networkPolicy.gatewayCidrs or gatewayNamespace." -}}
{{- end -}}

{{- if and $v.networkPolicy.enabled (eq $v.monitoring.kind "serviceMonitor") (not (without (default list $v.networkPolicy.scraperNamespaces) "gmp-system" "gke-gmp-system")) -}}
{{- fail "monitoring.kind is serviceMonitor, but networkPolicy.scraperNamespaces lets only Google's collectors in: name the namespace of the operator's Prometheus." -}}
{{- end -}}

{{- $limits := list (index $v.resources.limits "ephemeral-storage") -}}
{{- if $v.record.enabled -}}{{- $limits = append $limits (index $v.shipper.resources.limits "ephemeral-storage") -}}{{- end -}}
{{- $disks := include "customer-risk.disks" (merge (dict "scratch" $v.scratchSize "records" $v.record.enabled) .) | int -}}
{{- $limit := include "customer-risk.mebibytes" $limits | int -}}
{{- if ge $disks $limit -}}
{{- fail (printf "The disks of a server's pod (record.outboxSize, scratchSize, model.diskSize) have %d MiB in all, but the ephemeral-storage limits of its containers are %d MiB in all, beyond which Kubernetes evicts the pod: raise resources.limits.ephemeral-storage." $disks $limit) -}}
{{- end -}}
{{- $disks = include "customer-risk.disks" (merge (dict "scratch" $v.scratchSize "records" false) .) | int -}}
{{- $limit = include "customer-risk.mebibytes" (list (index $v.test.resources.limits "ephemeral-storage")) | int -}}
{{- if and $v.test.enabled (ge $disks $limit) -}}
{{- fail (printf "The disks of the test's pod (scratchSize, model.diskSize) have %d MiB in all, but its ephemeral-storage limit is %d MiB: raise test.resources.limits.ephemeral-storage above the disks." $disks $limit) -}}
{{- end -}}
{{- $disks = include "customer-risk.disks" (merge (dict "scratch" $v.batch.scratchSize "records" (dig "record" "enabled" false $v.batch.settings)) .) | int -}}
{{- $limit = include "customer-risk.mebibytes" (list (index $v.batch.resources.limits "ephemeral-storage")) | int -}}
{{- if and $v.batch.enabled (ge $disks $limit) -}}
{{- fail (printf "The disks of the batch's pod (batch.scratchSize, model.diskSize, record.outboxSize) have %d MiB in all, but its ephemeral-storage limit is %d MiB: raise batch.resources.limits.ephemeral-storage above the disks." $disks $limit) -}}
{{- end -}}

{{- if and $v.batch.enabled (not (and $v.batch.settings.input $v.batch.settings.output)) -}}
{{- fail "batch.enabled is true, but batch.settings lacks `input` or `output`: say what to read and where results go." -}}
{{- end -}}
{{- $record := default dict $v.batch.settings.record -}}
{{- if and $v.batch.enabled $record.enabled (ne (default "" $record.folder) "/var/lib/customer-risk/outbox") -}}
{{- fail "batch.settings.record.folder isn't /var/lib/customer-risk/outbox, where the batch's pod has a disk for it." -}}
{{- end -}}
{{- if and $v.batch.enabled $record.enabled -}}
{{- $hashed := eq (default "" $record.customer_id) "hashed" -}}
{{- if and (eq $v.record.customerId "hashed") (not $hashed) -}}
{{- fail "record.customerId is hashed, but batch.settings.record.customer_id isn't: the batch would record the ids of the same customers as they are." -}}
{{- end -}}
{{- if and $hashed (not (and $v.record.keySecret.name (eq (default "" $record.key_file) "/etc/customer-risk/secrets/record-key"))) -}}
{{- fail "batch.settings.record.customer_id is hashed, which takes record.keySecret.name and key_file: /etc/customer-risk/secrets/record-key, where the batch's pod has that key." -}}
{{- end -}}
{{- if dig "ship" "spool" "" $record -}}
{{- fail "batch.settings.record.ship.spool is given, but a batch's pod has none: the service's pods would ship the batch's records to their own sinks." -}}
{{- end -}}
{{- end -}}
{{- end }}
