{{/* {root, component} -> the list of the container's variables. A test compares it with the settings classes. */}}
{{- define "ic.environment" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- $values := $root.Values -}}
{{- $env := dict "IC_STACK" $root.Release.Name "IC_GRPC_PORT" $component.grpcPort "IC_OPS_PORT" $component.ports.ops -}}
{{- if ne $values.logLevel "INFO" }}{{ $_ := set $env "IC_LOG_LEVEL" $values.logLevel }}{{ end -}}
{{- if $values.mesh.mutualTls.enabled }}{{ $_ := set $env "IC_TLS_FOLDER" "/etc/internshipconnect/mesh-tls" }}{{ end -}}
{{- if or $component.service (eq $component.name "rate-limiter") -}}
  {{- if $values.stores.tls.secret }}{{ $_ := set $env "IC_STORES_TLS_FOLDER" "/etc/internshipconnect/stores-tls" }}{{ end -}}
  {{- if $values.stores.tls.redis }}{{ $_ := set $env "IC_REDIS_TLS" "true" }}{{ end -}}
{{- end -}}
{{- if $values.otlp.endpoint -}}
  {{- $_ := set $env "IC_OTLP_ENDPOINT" $values.otlp.endpoint -}}
  {{- if ne (float64 $values.otlp.sampleRatio) 1.0 }}{{ $_ := set $env "IC_TRACE_SAMPLE_RATIO" $values.otlp.sampleRatio }}{{ end -}}
{{- end -}}
{{- if $component.service -}}
  {{- $_ := mergeOverwrite $env (dict
      "IC_SLOT_MAP" "/etc/internshipconnect/config/slots.json"
      "IC_XDS_BOOTSTRAP" "/etc/internshipconnect/config/xds.json"
      "IC_MONGO_USER" $component.service
      "IC_REDIS_NODES" (include "ic.redisNodes" $root)
      "IC_PEERS" (include "ic.peers" $root)
      "IC_PUBLIC_URL" $values.publicUrl) -}}
{{- end -}}
{{- if eq $component.service "notification" -}}
  {{- $_ := mergeOverwrite $env (dict "IC_SMTP_HOST" (include "ic.smtpHost" $root) "IC_SMTP_PORT" $values.smtp.port) -}}
  {{- if ne $values.smtp.security "none" }}{{ $_ := set $env "IC_SMTP_SECURITY" $values.smtp.security }}{{ end -}}
  {{- with $values.smtp.user }}{{ $_ := set $env "IC_SMTP_USER" . }}{{ end -}}
  {{- if ne $values.mail.from "no-reply@internshipconnect.example" }}{{ $_ := set $env "IC_MAIL_FROM" $values.mail.from }}{{ end -}}
  {{- if ne $values.mail.fromName "InternshipConnect" }}{{ $_ := set $env "IC_MAIL_FROM_NAME" $values.mail.fromName }}{{ end -}}
{{- end -}}
{{- if eq $component.name "control-plane" -}}
  {{- $_ := mergeOverwrite $env (dict
      "IC_MESH" "/etc/internshipconnect/config/mesh.yaml"
      "IC_DESCRIPTORS" "/app/gen/internshipconnect.binpb"
      "IC_GATEWAY_PAGES" "/app/pages") -}}
  {{- if eq $values.mesh.endpoints "kubernetes" }}{{ $_ := set $env "IC_KUBERNETES_CREDENTIALS" "/etc/internshipconnect/kubernetes" }}{{ end -}}
{{- end -}}
{{- if eq $component.name "rate-limiter" -}}
  {{- $_ := set $env "IC_REDIS_NODES" (include "ic.redisNodes" $root) -}}
  {{- if $values.rateLimits }}{{ $_ := set $env "IC_LIMITS_DIR" "/etc/internshipconnect/config" }}{{ end -}}
{{- end -}}
{{- $_ := mergeOverwrite $env (default dict (get $values.settings (default $component.name $component.service))) -}}
{{- range $name, $value := $env }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end -}}
{{- if $component.service }}
- name: IC_NODE_ID
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- range $key, $use := include "ic.secretKeys" (dict "root" $root "name" (include "ic.secretOf" $component)) | fromJson }}
{{- if $use.env }}
- name: {{ $use.env }}
  valueFrom: {secretKeyRef: {name: {{ include "ic.name" (dict "root" $root "name" (include "ic.secretOf" $component)) }}, key: {{ $key }}}}
{{- else if $use.pathEnv }}
- name: {{ $use.pathEnv }}
  value: /etc/internshipconnect/secrets/{{ $key }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The Secret that a component reads: that of its service, or its own. */}}
{{- define "ic.secretOf" -}}
{{ default .name .service }}
{{- end -}}

{{/* {root, name of a Secret} -> its keys and their uses as JSON; an empty object for a component that reads none. */}}
{{- define "ic.secretKeys" -}}
{{- $table := .root.Files.Get "files/secrets.yaml" | fromYaml -}}
{{- $services := (.root.Files.Get "files/components.yaml" | fromYaml).services -}}
{{- $keys := hasKey $services .name | ternary $table.services dict | deepCopy -}}
{{- $own := default dict (get $table .name) -}}
{{- $user := default dict .root.Values.settings.user -}}
{{- $logins := dict "notification" .root.Values.smtp.user "user" (get $user "IC_S3_ACCESS_KEY") -}}
{{- if or (not (hasKey $logins .name)) (get $logins .name) }}{{ $keys = merge $keys $own }}{{ end -}}
{{- if not .root.Values.secrets.otherDataKeys }}{{ $_ := unset $keys "other-data-keys" }}{{ end -}}
{{ $keys | toJson }}
{{- end -}}
