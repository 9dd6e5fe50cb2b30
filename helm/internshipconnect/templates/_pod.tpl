{{/* What every pod of the release has in common. */}}
{{- define "ic.podBasics" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "ic.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* {root, component} -> {preStop: seconds before SIGTERM, grace: seconds until SIGKILL} as JSON */}}
{{- define "ic.drain" -}}
{{- $process := (.root.Files.Get "files/components.yaml" | fromYaml).process -}}
{{- $drain := .root.Values.drain -}}
{{- if eq .component.role "gateway" -}}
  {{- $preStop := add $drain.gatewaySeconds 5 -}}
  {{ dict "preStop" $preStop "grace" (add $preStop $process.marginSeconds) | toJson }}
{{- else -}}
  {{- $preStop := hasKey .component.ports "grpc" | ternary (add $drain.dnsCacheSeconds $process.lookupSeconds) 0 -}}
  {{ dict "preStop" $preStop "grace" (add $preStop $process.stopSeconds $process.marginSeconds) | toJson }}
{{- end -}}
{{- end -}}

{{- define "ic.priorityClass" -}}
{{- $classes := .root.Values.priorityClasses -}}
{{ $classes.create | ternary (include "ic.name" (dict "root" .root "name" .component.priority)) (get $classes .component.priority) }}
{{- end -}}

{{/* A digest of the configuration that a pod reads only when it starts: a change replaces the pod. */}}
{{- define "ic.configChecksum" -}}
{{- if eq .component.role "gateway" -}}
{{ include "ic.envoyBootstrap" .root | sha256sum }}
{{- else if .component.service -}}
{{ printf "%s%s" (include "ic.slotMap" .root) (include "ic.xdsBootstrap" .) | sha256sum }}
{{- end -}}
{{- end -}}

{{/* {root, component} -> the pod template of a Deployment */}}
{{- define "ic.podTemplate" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- $scope := dict "root" $root "name" $component.name -}}
{{- $drain := include "ic.drain" . | fromJson -}}
metadata:
  labels:
    {{- include "ic.labels" $scope | nindent 4 }}
    {{- include "ic.sidecarLabel" $root | nindent 4 }}
  annotations:
    {{- with include "ic.configChecksum" . }}
    checksum/config: {{ . }}
    {{- end }}
    internshipconnect/secrets-revision: {{ $root.Values.secrets.revision | quote }}
    {{- with $component.options.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "ic.name" $scope }}
  {{- include "ic.podBasics" $root | nindent 2 }}
  {{- with include "ic.priorityClass" . }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $drain.grace }}
  # Names of Services are written out, so they need no search.
  dnsConfig: {options: [{name: ndots, value: "2"}]}
  topologySpreadConstraints:
    {{- range $topology, $key := dict "zone" "topology.kubernetes.io/zone" "node" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: {{ get $root.Values.topologySpread $topology }}
      labelSelector:
        matchLabels: {{- include "ic.selector" $scope | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- with $component.options.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $component.options.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $component.name }}
      {{- if eq $component.role "gateway" }}
      {{- include "ic.envoyContainer" . | nindent 6 }}
      {{- else }}
      {{- include "ic.pythonContainer" . | nindent 6 }}
      {{- end }}
      ports:
        {{- range $name, $port := $component.ports }}
        - {name: {{ $name }}, containerPort: {{ $port }}, protocol: TCP}
        {{- end }}
      startupProbe:
        httpGet: {path: /health, port: ops}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /health, port: ops}
        initialDelaySeconds: 30
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /ready, port: ops}
        initialDelaySeconds: 10
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      resources: {{- toYaml $component.options.resources | nindent 8 }}
      securityContext: {{- include "ic.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- range include "ic.volumes" . | fromYamlArray }}
        - {name: {{ .name }}, mountPath: /etc/internshipconnect/{{ .name }}, readOnly: true}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    {{- with include "ic.volumes" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "ic.sidecarLabel" -}}
{{- if .Values.mesh.istio.enabled -}}
sidecar.istio.io/inject: "true"
{{- end -}}
{{- end -}}

{{- define "ic.pythonContainer" -}}
{{- $root := .root -}}
image: {{ include "ic.image" (dict "image" $root.Values.image "tag" $root.Chart.AppVersion) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: [python, -m, {{ .component.module }}{{ with .component.service }}, {{ $.component.role }}{{ end }}]
env: {{- include "ic.environment" . | trim | nindent 2 }}
{{- with (include "ic.drain" . | fromJson).preStop }}
lifecycle: {preStop: {sleep: {seconds: {{ . }}}}}
{{- end }}
{{- end -}}

{{- define "ic.envoyContainer" -}}
{{- $values := .root.Values -}}
image: {{ include "ic.image" (dict "image" $values.envoyImage "tag" "") }}
imagePullPolicy: {{ $values.envoyImage.pullPolicy }}
command: [envoy]
args:
  - --config-path
  - /etc/internshipconnect/config/bootstrap.json
  - --service-node
  - $(POD_NAME)
  - --concurrency
  - {{ $values.gateway.concurrency | quote }}
  - --drain-time-s
  - {{ $values.drain.gatewaySeconds | quote }}
  - --disable-hot-restart
  - --log-level
  - warning
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
lifecycle:
  preStop:
    exec:
      command:
        - bash
        - -c
        - |
{{ .root.Files.Get "files/drain-envoy.sh" | indent 10 }}
        - drain
        - {{ (include "ic.drain" . | fromJson).preStop | quote }}
{{- end -}}

{{/* {root, component} -> the volumes beside /tmp; each is mounted under /etc/internshipconnect by its name */}}
{{- define "ic.volumes" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- $secret := include "ic.secretOf" $component -}}
{{- $files := list -}}
{{- range $key, $use := include "ic.secretKeys" (dict "root" $root "name" $secret) | fromJson -}}
  {{- if $use.pathEnv }}{{ $files = append $files $key }}{{ end -}}
{{- end -}}
{{- if $component.service }}
- name: config
  configMap:
    name: {{ include "ic.name" (dict "root" $root "name" "services") }}
    items: [{key: slots.json, path: slots.json}, {key: xds-{{ $component.name }}.json, path: xds.json}]
{{- else if or (ne $component.name "rate-limiter") $root.Values.rateLimits }}
- name: config
  configMap: {name: {{ include "ic.name" (dict "root" $root "name" $component.name) }}}
{{- end }}
{{- with $files }}
- name: secrets
  secret:
    secretName: {{ include "ic.name" (dict "root" $root "name" $secret) }}
    defaultMode: 0440
    items: [{{- range $index, $key := . }}{{ if $index }}, {{ end }}{key: {{ $key }}, path: {{ $key }}}{{ end }}]
{{- end }}
{{- if and (eq $component.name "control-plane") (eq $root.Values.mesh.endpoints "kubernetes") }}
- name: kubernetes
  projected:
    defaultMode: 0440
    sources:
      # The kubelet replaces it long before it expires.
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}
{{- if $root.Values.mesh.mutualTls.enabled }}
- name: mesh-tls
  secret: {secretName: {{ include "ic.name" (dict "root" $root "name" $component.name) }}-mesh-tls, defaultMode: 0440}
{{- end }}
{{- if and $root.Values.stores.tls.secret (or $component.service (eq $component.name "rate-limiter")) }}
- name: stores-tls
  secret: {secretName: {{ $root.Values.stores.tls.secret }}, defaultMode: 0440}
{{- end }}
{{- if and (eq $component.role "gateway") $root.Values.gateway.tlsSecret }}
- name: tls
  secret: {secretName: {{ $root.Values.gateway.tlsSecret }}, defaultMode: 0440}
{{- end }}
{{- end -}}
