{{/* The image. A name that no registry has is an error: its pods would wait for a pull that cannot succeed. */}}
{{- define "multus.image" -}}
{{- with .Values.image }}
{{- if and (hasPrefix "localhost/" .repository) (not .local) }}
{{- fail (printf "image.repository is %s, which no registry has: name the image in your registry (--set image.repository=registry.example/multus-wasm), or set image.local=true if every node has it by that name already" .repository) }}
{{- end }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Directories of the nodes, as YAML: of the values, else of the distribution, else the usual ones. files/distributions.yaml has them. */}}
{{- define "multus.paths" -}}
{{- $known := .Files.Get "files/distributions.yaml" | fromYaml }}
{{- $paths := $known.usual }}
{{- with .Values.distribution }}{{ $_ := mergeOverwrite $paths (index $known.distributions .) }}{{ end }}
{{- $own := pick .Values.hostPaths "cniConfDir" "cniBinDir" "podResources" }}
{{- $_ := mergeOverwrite $own (pick .Values.perNodeCertificate "bootstrapKubeconfig" "kubeletPki") }}
{{- range $key, $value := $own }}{{ if $value }}{{ $_ := set $paths $key $value }}{{ end }}{{ end }}
{{- if .Values.perNodeCertificate.enabled }}{{ range $key := list "bootstrapKubeconfig" "kubeletPki" }}
{{- if not (index $paths $key) }}
{{- fail (printf "perNodeCertificate: where distribution %s has the kubelet's files is not known: set perNodeCertificate.%s" $.Values.distribution $key) }}
{{- end }}
{{- end }}{{ end }}
{{- toYaml $paths }}
{{- end }}

{{/* Requests and limits of a container, from `resources`. `guaranteed`: it requests its limits, and has them for CPU and memory. */}}
{{- define "multus.resources" -}}
{{- if .guaranteed }}
{{- $limits := merge (dict) (.resources.limits | default dict) (dict "cpu" "500m") (.resources.requests | default dict) }}
{{- if not $limits.memory }}{{ fail "guaranteed: a container has neither limits.memory nor requests.memory" }}{{ end }}
{{- toYaml (merge (dict "requests" $limits "limits" $limits) (omit .resources "requests" "limits")) }}
{{- else }}
{{- toYaml .resources }}
{{- end }}
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

{{/* Labels of the pods. */}}
{{- define "multus.podLabels" -}}
{{- include "multus.nodeLabels" . }}
{{- range $key, $value := .Values.podLabels }}
{{- if has $key (list "tier" "app" "name") }}
{{- fail (printf "podLabels: %s has its value already: the DaemonSet, Services and monitors select pods by it" $key) }}
{{- end }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* For containers that need nothing but root's files: deploy/thick/daemonset.yaml says why. */}}
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
image: {{ include "multus.image" . | trim }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end }}

{{/* daemon-config.json: the chart's keys under the user's. */}}
{{- define "multus.daemonConfig" -}}
{{- $paths := include "multus.paths" . | fromYaml }}
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
  "bootstrapKubeconfig" $paths.bootstrapKubeconfig
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
