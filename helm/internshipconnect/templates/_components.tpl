{{/* The components as JSON: by name {name, service, role, module, ports, queues, scaling, priority, options}. */}}
{{- define "ic.components" -}}
{{- $table := .Files.Get "files/components.yaml" | fromYaml -}}
{{- $found := dict -}}
{{- range $service, $row := $table.services -}}
  {{- $ops := add $row.port 1000 | int -}}
  {{- $serve := dict "role" "serve" "ports" (dict "grpc" $row.port "ops" $ops) "scaling" "requests" "priority" "serving" -}}
  {{- $isScaled := and (not (empty $row.queues)) (ne $.Values.workers.scaler "none") -}}
  {{- $scaling := $isScaled | ternary "queues" "none" -}}
  {{- $work := dict "role" "work" "ports" (dict "ops" $ops) "scaling" $scaling "priority" "background" -}}
  {{- range list $serve $work -}}
    {{- $_ := mergeOverwrite . (dict "service" $service "module" (printf "services.%s" $service) "queues" $row.queues "grpcPort" $row.port) -}}
    {{- $_ := set $found (printf "%s-%s" $service .role) . -}}
  {{- end -}}
{{- end -}}
{{- range $name, $row := $table.others -}}
  {{- $_ := set $found $name (mergeOverwrite (deepCopy $row) (dict "service" "" "role" $name "queues" list "grpcPort" (default 0 $row.ports.grpc))) -}}
{{- end -}}
{{- range $name, $component := $found -}}
  {{- $kind := eq $component.role "work" | ternary $.Values.workers $.Values.serving -}}
  {{- $options := mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $kind) (deepCopy (default dict (get $.Values.components $name))) -}}
  {{- $_ := mergeOverwrite $component (dict "name" $name "options" $options) -}}
{{- end -}}
{{ $found | toJson }}
{{- end -}}
