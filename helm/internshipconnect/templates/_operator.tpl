{{/* A pod that runs `ic` on this release's cluster. Scope: {root, command: [...], volume: {...}, mountPath}; the last two are optional. */}}
{{- define "ic.operatorPod" -}}
{{- $ := .root -}}
{{- $scope := dict "root" $ "name" "provision" -}}
metadata:
  labels: {{- include "ic.labels" $scope | nindent 4 }}
  annotations:
    internshipconnect/secrets-revision: {{ $.Values.secrets.revision | quote }}
spec:
  restartPolicy: {{ .restartPolicy | default "OnFailure" }}
  serviceAccountName: {{ include "ic.name" $scope }}
  {{- include "ic.podBasics" $ | nindent 2 }}
  {{- with include "ic.priorityClass" (dict "root" $ "component" (dict "priority" "background")) }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: provision
      image: {{ include "ic.image" (dict "image" $.Values.image "tag" $.Chart.AppVersion) }}
      imagePullPolicy: {{ $.Values.image.pullPolicy }}
      command: {{ concat (list "ic" "--cluster" "/etc/internshipconnect/config/cluster.yaml") .command | toJson }}
      resources: {{- toYaml $.Values.defaults.resources | nindent 8 }}
      securityContext: {{- include "ic.containerSecurity" $ | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: config, mountPath: /etc/internshipconnect/config, readOnly: true}
        - {name: secrets, mountPath: /etc/internshipconnect/secrets, readOnly: true}
        {{- if $.Values.mesh.mutualTls.enabled }}
        - {name: mesh-tls, mountPath: /etc/internshipconnect/mesh-tls, readOnly: true}
        {{- end }}
        {{- if $.Values.stores.tls.secret }}
        - {name: stores-tls, mountPath: /etc/internshipconnect/stores-tls, readOnly: true}
        {{- end }}
        {{- if .volume }}
        - {name: data, mountPath: {{ .mountPath }}}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    - {name: config, configMap: {name: {{ include "ic.name" $scope }}}}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          - secret:
              name: {{ include "ic.name" $scope }}
              items:
                {{- range $key, $use := include "ic.secretKeys" $scope | fromJson }}
                - {key: {{ $key }}, path: {{ $key }}}
                {{- end }}
          {{- range $service, $row := ($.Files.Get "files/components.yaml" | fromYaml).services }}
          - secret:
              name: {{ include "ic.name" (dict "root" $ "name" $service) }}
              items: [{key: mongo-password, path: {{ $service }}-mongo-password}]
          {{- end }}
    {{- if $.Values.mesh.mutualTls.enabled }}
    - name: mesh-tls
      secret: {secretName: {{ include "ic.name" $scope }}-mesh-tls, defaultMode: 0440}
    {{- end }}
    {{- with $.Values.stores.tls.secret }}
    - name: stores-tls
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- with .volume }}
    - {{ merge (dict "name" "data") . | toJson }}
    {{- end }}
{{- end -}}
