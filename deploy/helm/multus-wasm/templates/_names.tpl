{{/* The image. */}}
{{- define "multus.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Labels of everything that the chart makes. */}}
{{- define "multus.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Labels of the node's part, as Go multus has them. The DaemonSet selects by `name`. */}}
{{- define "multus.nodeLabels" -}}
tier: node
app: multus
name: multus
{{- end }}

{{/* What a container may that needs nothing but root's files: deploy/thick/daemonset.yaml says why. */}}
{{- define "multus.unprivileged" -}}
runAsUser: 0
runAsGroup: 0
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
seLinuxOptions:
  type: spc_t
{{- end }}

{{/* Image and how it is pulled, of every container. */}}
{{- define "multus.containerImage" -}}
image: {{ include "multus.image" . }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end }}

{{/* daemon-config.json: the chart's keys under the user's. */}}
{{- define "multus.daemonConfig" -}}
{{- $config := dict
  "chrootDir" "/hostroot"
  "cniConfigDir" "/host/etc/cni/net.d"
  "multusAutoconfigDir" "/host/etc/cni/net.d"
  "multusConfigFile" "auto"
  "socketDir" "/host/run/multus"
  "logLevel" "verbose"
  "logToStderr" true
  "nativeNetworks" "auto" }}
{{- if .Values.metrics.enabled }}{{ $_ := set $config "metricsPort" (int .Values.metrics.port) }}{{ end }}
{{- if eq .Values.onMissingNetworks "evict" }}{{ $_ := set $config "onMissingNetworks" "evict" }}{{ end }}
{{- with .Values.perNodeCertificate }}{{ if .enabled }}{{ $_ := set $config "perNodeCertificate" (dict
  "enabled" true
  "bootstrapKubeconfig" .bootstrapKubeconfig
  "certDir" "/etc/cni/multus/certs"
  "certDuration" .certDuration) }}{{ end }}{{ end }}
{{- range $key, $value := .Values.daemonConfig }}
{{- if kindIs "invalid" $value }}{{ $_ := unset $config $key }}{{ else }}{{ $_ := set $config $key $value }}{{ end }}
{{- end }}
{{- toPrettyJson $config }}
{{- end }}

{{/* Where pods go, and what they are to the scheduler. */}}
{{- define "multus.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
