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
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Restricted pod security, no token, no service links (their names would look like settings). */}}
{{- define "daymark.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
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
{{- end }}

{{/* Its Secret as files, the keys that a part needs and no others: (dict "root" $ "keys" (list "redis-url")) */}}
{{- define "daymark.secretVolume" -}}
{{- $keys := .keys -}}
{{- if .root.Values.secret.sasl }}{{ $keys = concat $keys (list "sasl-username" "sasl-password") }}{{ end -}}
{{- if $keys -}}
- name: secret
  secret:
    secretName: {{ .root.Values.secret.name }}
    defaultMode: 0440
    items:
      {{- range $keys }}
      - { key: {{ . }}, path: {{ . }} }
      {{- end }}
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
