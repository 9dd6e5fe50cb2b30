{{/* Configuration files. */}}

{{- define "ic.envoyBootstrap" -}}
{{- $host := include "ic.host" (dict "root" . "name" "control-plane") -}}
{{- $file := ternary "files/envoy-bootstrap-tls.json" "files/envoy-bootstrap.json" .Values.mesh.mutualTls.enabled -}}
{{ .Files.Get $file | replace "@region@" .Values.region | replace "@control-plane@" $host }}
{{- end -}}

{{/* {root, component} -> gRPC's bootstrap for the channels of a service process */}}
{{- define "ic.xdsBootstrap" -}}
{{- $uri := include "ic.address" (dict "root" .root "name" "control-plane") -}}
{{- $isSecure := .root.Values.mesh.mutualTls.enabled -}}
{{- $folder := "/etc/internshipconnect/mesh-tls" -}}
{{- $files := dict "certificate_file" (printf "%s/tls.crt" $folder) "private_key_file" (printf "%s/tls.key" $folder) "ca_certificate_file" (printf "%s/ca.crt" $folder) "refresh_interval" "10s" -}}
{{- $credentials := ternary (dict "type" "tls" "config" $files) (dict "type" "insecure") $isSecure -}}
{{- $server := dict "server_uri" $uri "channel_creds" (list $credentials) "server_features" (list "xds_v3") -}}
{{- $providers := ternary (dict "certificate_providers" (dict "mesh" (dict "plugin_name" "file_watcher" "config" $files))) dict $isSecure -}}
{{- $node := dict "id" .component.name "cluster" "services" "locality" (dict "region" .root.Values.region) -}}
{{ merge (dict "xds_servers" (list $server) "node" $node) $providers | toPrettyJson }}
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
{{- if $mesh.mutualTls.enabled }}
tls: {folder: /etc/internshipconnect/mesh-tls}
{{- end }}
gateway:
  trusted_hops: {{ .Values.gateway.trustedHops }}
  issuer: {{ .Values.publicUrl | quote }}
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
{{- if .Values.mesh.mutualTls.enabled }}
tls: /etc/internshipconnect/mesh-tls
{{- end }}
{{- if .Values.stores.tls.secret }}
stores_tls: /etc/internshipconnect/stores-tls
{{- end }}
{{- if .Values.stores.tls.redis }}
settings: {IC_REDIS_TLS: "true"}
{{- end }}
{{- end -}}
