{{/* Names and labels. `ic.component` and the templates after it take {root: the top scope, name: the component}. */}}

{{- define "ic.chart" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end -}}

{{/* The longest suffix has 19 characters, and a name that is a DNS label 63 at most. */}}
{{- define "ic.fullname" -}}
{{- $chart := include "ic.chart" . -}}
{{- $long := contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) -}}
{{ default $long .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end -}}

{{- define "ic.name" -}}
{{ include "ic.fullname" .root }}-{{ .name }}
{{- end -}}

{{- define "ic.host" -}}
{{ include "ic.name" . }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}
{{- end -}}

{{- define "ic.releaseSelector" -}}
app.kubernetes.io/name: {{ include "ic.chart" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ic.selector" -}}
{{ include "ic.releaseSelector" .root }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- define "ic.labels" -}}
{{ include "ic.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "ic.metadata" -}}
name: {{ include "ic.name" . }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "ic.labels" . | nindent 2 }}
{{- end -}}

{{/* {image: an entry of the values, default tag} -> registry/repository@digest or :tag */}}
{{- define "ic.image" -}}
{{- with .image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.tag .tag }}{{ end }}
{{- end -}}
{{- end -}}
