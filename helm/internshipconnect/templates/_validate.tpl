{{/* What the schema cannot see. All problems are told at once, each with the path of the value. */}}
{{- define "ic.validate" -}}
{{- $values := .Values -}}
{{- $problems := list -}}
{{- if not $values.secrets.source -}}
  {{- $problems = append $problems "secrets.source: say where the secrets come from, `existing` or `externalSecrets`" -}}
{{- end -}}
{{- if eq $values.secrets.source "externalSecrets" -}}
  {{- if not $values.secrets.externalSecrets.storeName -}}
    {{- $problems = append $problems "secrets.externalSecrets.storeName: name the store that holds the secrets" -}}
  {{- end -}}
  {{- if not (.Capabilities.APIVersions.Has "external-secrets.io/v1/ExternalSecret") -}}
    {{- $problems = append $problems "secrets.source: `externalSecrets` needs the External Secrets Operator; this cluster does not know external-secrets.io/v1" -}}
  {{- end -}}
{{- end -}}
{{- if and (eq $values.workers.scaler "keda") (not (.Capabilities.APIVersions.Has "keda.sh/v1alpha1/ScaledObject")) -}}
  {{- $problems = append $problems "workers.scaler: `keda` needs KEDA; this cluster does not know keda.sh/v1alpha1" -}}
{{- end -}}
{{- if $values.canary.enabled -}}
  {{- if not (.Capabilities.APIVersions.Has "argoproj.io/v1alpha1/Rollout") -}}
    {{- $problems = append $problems "canary.enabled: needs Argo Rollouts; this cluster does not know argoproj.io/v1alpha1" -}}
  {{- end -}}
  {{- if not $values.canary.prometheus -}}
    {{- $problems = append $problems "canary.prometheus: name the Prometheus that knows the calls of each pod" -}}
  {{- end -}}
{{- end -}}
{{- $istio := $values.mesh.istio -}}
{{- if $istio.enabled -}}
  {{- if not (.Capabilities.APIVersions.Has "security.istio.io/v1/AuthorizationPolicy") -}}
    {{- $problems = append $problems "mesh.istio.enabled: needs Istio; this cluster does not know security.istio.io/v1" -}}
  {{- end -}}
  {{- if and (not $values.gatewayApi.enabled) (not $istio.credentialName) -}}
    {{- $problems = append $problems "mesh.istio.credentialName: name the Secret of the ingress gateway's certificate, or set gatewayApi.enabled" -}}
  {{- end -}}
  {{- if $values.gateway.tlsSecret -}}
    {{- $problems = append $problems "gateway.tlsSecret: the ingress gateway ends TLS where mesh.istio.enabled is set; leave it empty" -}}
  {{- end -}}
{{- end -}}
{{- if $values.mesh.mutualTls.enabled -}}
  {{- if $istio.enabled -}}
    {{- $problems = append $problems "mesh.mutualTls.enabled: Istio does it where mesh.istio.enabled is set; choose one" -}}
  {{- end -}}
  {{- if not (.Capabilities.APIVersions.Has "cert-manager.io/v1/Certificate") -}}
    {{- $problems = append $problems "mesh.mutualTls.enabled: needs cert-manager; this cluster does not know cert-manager.io/v1" -}}
  {{- end -}}
{{- end -}}
{{- if $values.gateway.certificate.issuer -}}
  {{- if not $values.gateway.tlsSecret -}}
    {{- $problems = append $problems "gateway.tlsSecret: name the Secret that the issuer of gateway.certificate.issuer fills" -}}
  {{- end -}}
  {{- if not (.Capabilities.APIVersions.Has "cert-manager.io/v1/Certificate") -}}
    {{- $problems = append $problems "gateway.certificate.issuer: needs cert-manager; this cluster does not know cert-manager.io/v1" -}}
  {{- end -}}
{{- end -}}
{{- $api := $values.gatewayApi -}}
{{- if $api.enabled -}}
  {{- if not (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1/HTTPRoute") -}}
    {{- $problems = append $problems "gatewayApi.enabled: this cluster does not know gateway.networking.k8s.io/v1" -}}
  {{- end -}}
  {{- if not $api.className }}{{ $problems = append $problems "gatewayApi.className: name the GatewayClass" }}{{ end -}}
  {{- if not $api.certificate }}{{ $problems = append $problems "gatewayApi.certificate: name the Secret of the certificate" }}{{ end -}}
  {{- if and $api.canary.weight (not $api.canary.service) -}}
    {{- $problems = append $problems "gatewayApi.canary.service: name the other release's front door, or set gatewayApi.canary.weight to 0" -}}
  {{- end -}}
{{- end -}}
{{- if not $values.provision.enabled -}}
  {{- if $values.jobs }}{{ $problems = append $problems "jobs: their pods are those of `ic provision`; set provision.enabled" }}{{ end -}}
  {{- if $values.backup.enabled }}{{ $problems = append $problems "backup.enabled: its pods are those of `ic provision`; set provision.enabled" }}{{ end -}}
{{- end -}}
{{- if not $values.publicUrl -}}
  {{- $problems = append $problems "publicUrl: give the gateway's address as users see it, such as https://api.example.com" -}}
{{- end -}}
{{- if and $values.bundledStores.enabled (or $values.stores.tls.secret $values.stores.tls.redis) -}}
  {{- $problems = append $problems "stores.tls: the stores of bundledStores.enabled have no TLS" -}}
{{- end -}}
{{- if not $values.bundledStores.enabled -}}
  {{- if not $values.stores.shards }}{{ $problems = append $problems "stores.shards: name a shard, or set bundledStores.enabled for a look" }}{{ end -}}
  {{- if not $values.stores.redis }}{{ $problems = append $problems "stores.redis: name some nodes of the Redis Cluster" }}{{ end -}}
  {{- if not $values.smtp.host }}{{ $problems = append $problems "smtp.host: name the mail server" }}{{ end -}}
{{- end -}}
{{- if $values.requireDigests -}}
  {{- range $name := list "image" "envoyImage" -}}
    {{- if not (get $values $name).digest }}{{ $problems = append $problems (printf "%s.digest: requireDigests is set, so give sha256:..." $name) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- range $kind := list "serving" "workers" -}}
  {{- $own := get $values $kind -}}
  {{- if gt (int $own.minReplicas) (int $own.maxReplicas) -}}
    {{- $problems = append $problems (printf "%s.minReplicas: %v is more than %s.maxReplicas, %v" $kind $own.minReplicas $kind $own.maxReplicas) -}}
  {{- end -}}
{{- end -}}
{{- $components := include "ic.components" . | fromJson -}}
{{- range $name, $own := $values.components -}}
  {{- $options := (get $components $name).options -}}
  {{- if and (or $own.minReplicas $own.maxReplicas) (gt (int $options.minReplicas) (int $options.maxReplicas)) -}}
    {{- $problems = append $problems (printf "components.%s.minReplicas: %v is more than its maxReplicas, %v" $name $options.minReplicas $options.maxReplicas) -}}
  {{- end -}}
{{- end -}}
{{- with $problems -}}
{{- fail (printf "these values do not fit together:\n  %s\n" (join "\n  " .)) -}}
{{- end -}}
{{- end -}}
