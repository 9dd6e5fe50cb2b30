{{/* Addresses of the stores: those of the values, or of the bundled ones. */}}

{{- define "ic.shards" -}}
{{- if .Values.bundledStores.enabled -}}
{{ dict "s1" (printf "mongodb://%s:27017/?replicaSet=s1" (include "ic.host" (dict "root" . "name" "mongo"))) | toJson }}
{{- else -}}
{{ .Values.stores.shards | toJson }}
{{- end -}}
{{- end -}}

{{- define "ic.redisNodes" -}}
{{- if .Values.bundledStores.enabled -}}
{{ include "ic.host" (dict "root" . "name" "redis") }}:6379
{{- else -}}
{{ join "," .Values.stores.redis }}
{{- end -}}
{{- end -}}

{{- define "ic.smtpHost" -}}
{{ .Values.bundledStores.enabled | ternary (include "ic.host" (dict "root" . "name" "mailbox")) .Values.smtp.host }}
{{- end -}}

{{/* The first slot map: every shard gets one range of equally many slots, as `ops.cluster.even_slot_map` deals them. */}}
{{- define "ic.slotMap" -}}
{{- $shards := include "ic.shards" . | fromJson -}}
{{- $uris := dict -}}
{{- $ranges := list -}}
{{- $count := len $shards -}}
{{- range $index, $name := keys $shards | sortAlpha -}}
  {{- $_ := set $uris $name (dict "uri" (get $shards $name)) -}}
  {{- $first := div (mul 16384 $index) $count -}}
  {{- $last := sub (div (mul 16384 (add1 $index)) $count) 1 -}}
  {{- $ranges = append $ranges (dict "first" $first "last" $last "shard" $name) -}}
{{- end -}}
{{ dict "version" 1 "shards" $uris "ranges" $ranges | toPrettyJson }}
{{- end -}}

{{/* The services' addresses as JSON: {service: host:port}. */}}
{{- define "ic.peers" -}}
{{- $peers := dict -}}
{{- range include "ic.components" . | fromJson -}}
  {{- if eq .role "serve" -}}
    {{- $_ := set $peers .service (printf "%s:%v" (include "ic.host" (dict "root" $ "name" .name)) .ports.grpc) -}}
  {{- end -}}
{{- end -}}
{{ $peers | toJson }}
{{- end -}}

{{/* {root, name} of "control-plane" or "rate-limiter" -> host:port */}}
{{- define "ic.address" -}}
{{- $component := get (include "ic.components" .root | fromJson) .name -}}
{{ include "ic.host" . }}:{{ $component.ports.grpc }}
{{- end -}}
