{{- define "daymark.name" -}}
{{- if contains "daymark" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-daymark" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* What a part's objects share: (dict "root" $ "part" "ingest") */}}
{{- define "daymark.selector" -}}
app.kubernetes.io/name: daymark
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "daymark.labels" -}}
{{ include "daymark.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "daymark.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* What a pod's metadata are: (dict "root" $ "part" "ingest") */}}
{{- define "daymark.podMetadata" -}}
labels: {{ include "daymark.labels" . | nindent 2 }}
  {{- with .root.Values.pod.labels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with .root.Values.pod.annotations }}
annotations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Restricted pod security, no token, no service links (their names would look like settings). */}}
{{- define "daymark.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with .Values.pod.securityContext }}{{ toYaml . | nindent 2 }}{{ end }}
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "daymark.container" -}}
image: {{ include "daymark.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{/* A value as an environment has it. Helm reads whole numbers as floats: 1000000 would be written 1e+06. */}}
{{- define "daymark.word" -}}
{{ if kindIs "float64" . }}{{ int64 . | quote }}{{ else }}{{ . | quote }}{{ end }}
{{- end }}

{{- define "daymark.environment" -}}
- { name: DAYMARK_KAFKA, value: {{ .Values.kafka.bootstrapServers | quote }} }
{{- with .Values.kafka.topicPrefix }}
- { name: DAYMARK_TOPIC_PREFIX, value: {{ . | quote }} }
{{- end }}
{{- range $name, $value := .Values.kafka.properties }}
- { name: DAYMARK_KAFKA_{{ $name }}, value: {{ include "daymark.word" $value }} }
{{- end }}
{{- if .Values.secret.sasl }}
- { name: DAYMARK_KAFKA_SASL_USERNAME_FILE, value: /etc/daymark/secret/sasl-username }
- { name: DAYMARK_KAFKA_SASL_PASSWORD_FILE, value: /etc/daymark/secret/sasl-password }
{{- end }}
{{- range $name, $value := .Values.settings }}
- { name: {{ $name }}, value: {{ include "daymark.word" $value }} }
{{- end }}
{{- with .Values.pod.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Keys of the Secret that a part gets, and no others, as a YAML list: (dict "root" $ "keys" (list "redis-url")) */}}
{{- define "daymark.secretKeys" -}}
{{- $sasl := ternary (list "sasl-username" "sasl-password") list .root.Values.secret.sasl -}}
{{- concat .keys $sasl .root.Values.secret.keys | uniq | toYaml -}}
{{- end }}

{{/* The volumes of a part beside its own; the same arguments */}}
{{- define "daymark.volumes" -}}
{{- with include "daymark.secretKeys" . | fromYamlArray }}
- name: secret
  secret:
    secretName: {{ $.root.Values.secret.name }}
    defaultMode: 0440
    items:
      {{- range . }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
{{- end }}
{{- with .root.Values.pod.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "daymark.mounts" -}}
{{- if include "daymark.secretKeys" . | fromYamlArray }}
- { name: secret, mountPath: /etc/daymark/secret, readOnly: true }
{{- end }}
{{- with .root.Values.pod.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "daymark.workspacesVolume" -}}
- name: workspaces
  {{- if .Values.workspaces.configMapName }}
  configMap: { name: {{ .Values.workspaces.configMapName }} }
  {{- else }}
  secret: { secretName: {{ .Values.workspaces.secretName }}, defaultMode: 0440 }
  {{- end }}
{{- end }}

{{/* To DNS, and to what every part needs */}}
{{- define "daymark.egress" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - { port: {{ . }}, protocol: UDP }
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
- ports:
    {{- range .Values.networkPolicy.egressPorts }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- end }}

{{- define "daymark.probes" -}}
startupProbe: # Kafka, the store and the workspaces file may come later than the pod
  httpGet: { path: /livez, port: admin }
  periodSeconds: 1
  failureThreshold: 60
livenessProbe: # its loop goes round; an outage of Kafka or of the store is no reason to restart
  httpGet: { path: /livez, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{- define "daymark.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* One to a node and zone as far as there are nodes: (dict "root" $ "part" "ingest") */}}
{{- define "daymark.spread" -}}
topologySpreadConstraints:
  {{- $selector := include "daymark.selector" . }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ $selector | nindent 8 }}
  {{- end }}
{{- end }}
