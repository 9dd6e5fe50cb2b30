{{/* Configuration files. */}}

{{- define "ic.envoyBootstrap" -}}
{{- $host := include "ic.host" (dict "root" . "name" "control-plane") -}}
{{ .Files.Get "files/envoy-bootstrap.json" | replace "@region@" .Values.region | replace "@control-plane@" $host }}
{{- end -}}

{{/* {root, component} -> gRPC's bootstrap for the channels of a service process */}}
{{- define "ic.xdsBootstrap" -}}
{{- $uri := include "ic.address" (dict "root" .root "name" "control-plane") -}}
{{- $server := dict "server_uri" $uri "channel_creds" (list (dict "type" "insecure")) "server_features" (list "xds_v3") -}}
{{- $node := dict "id" .component.name "cluster" "services" "locality" (dict "region" .root.Values.region) -}}
{{ dict "xds_servers" (list $server) "node" $node | toPrettyJson }}
{{- end -}}

{{- define "ic.mesh" -}}
{{- $mesh := .Values.mesh -}}
regions: [{{ .Values.region }}]
services:
{{- range include "ic.components" . | fromJson }}
{{- if eq .role "serve" }}
  {{ .service }}:
    port: {{ .ports.grpc }}
    {{- if eq $mesh.endpoints "kubernetes" }}
    endpoints: {kubernetes: {service: {{ include "ic.name" (dict "root" $ "name" .name) }}}}
    {{- else }}
    endpoints: {dns: {{ include "ic.host" (dict "root" $ "name" .name) }}}
    {{- end }}
    {{- with get $mesh.max_requests .service }}
    max_requests: {{ . }}
    {{- end }}
{{- end }}
{{- end }}
{{- range $name := list "limits" "outlier_detection" "health_check" "subsets" }}
{{- with get $mesh $name }}
{{ $name }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
gateway:
  trusted_hops: {{ .Values.gateway.trustedHops }}
  rate_limits: {{ include "ic.address" (dict "root" . "name" "rate-limiter") }}
  cors_origins: {{ .Values.gateway.corsOrigins | toJson }}
  {{- if .Values.gateway.tlsSecret }}
  tls: {certificate: /etc/internshipconnect/tls/tls.crt, key: /etc/internshipconnect/tls/tls.key}
  {{- end }}
{{- end -}}

{{/* The cluster file of `ic`. */}}
{{- define "ic.clusterFile" -}}
name: {{ .Release.Name }}
shards: {{ include "ic.shards" . }}
redis: {{ splitList "," (include "ic.redisNodes" .) | toJson }}
control_plane: {{ include "ic.address" (dict "root" . "name" "control-plane") }}
services: {{ include "ic.peers" . }}
public_url: {{ .Values.publicUrl }}
slot_map: slots.json
secrets: /etc/internshipconnect/secrets
{{- end -}}
