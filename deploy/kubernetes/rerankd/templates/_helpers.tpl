{{- define "rerankd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "rerankd.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rerankd.labels" -}}
{{ include "rerankd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "rerankd.serviceAccount" -}}
{{- default (include "rerankd.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* The file of settings: what the operator says, under what the chart has to say itself. */}}
{{- define "rerankd.toml" -}}
{{- $server := dict "grace_seconds" .Values.shutdown.graceSeconds "drain_delay_seconds" .Values.shutdown.drainDelaySeconds -}}
{{- $ours := dict "host" "0.0.0.0" "grpc_port" .Values.ports.grpc "http_port" .Values.ports.http "models" (dict "cache_dir" "/var/cache/rerankd") "server" $server "log" (dict "format" "json") -}}
{{- mergeOverwrite (deepCopy .Values.config) $ours | toToml -}}
{{- end -}}

{{/* One probe: settings and the name whose health counts. */}}
{{- define "rerankd.probe" -}}
{{- if .command }}
exec:
  command: ["rerankd", "health", "--server", "localhost:{{ .port }}", "--service", {{ .service | quote }}, "--timeout", "{{ .probe.timeoutSeconds }}"]
{{- else }}
grpc:
  port: {{ .port }}
  service: {{ .service | quote }}
{{- end }}
periodSeconds: {{ .probe.periodSeconds }}
failureThreshold: {{ .probe.failureThreshold }}
timeoutSeconds: {{ .probe.timeoutSeconds }}
{{- end -}}
