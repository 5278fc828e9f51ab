{{/* The name of all that belongs to this release. */}}
{{- define "lambdaproxy.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 51 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end -}}

{{/* What pods are found by: two releases in one namespace stay apart, and a new version changes none of it. */}}
{{- define "lambdaproxy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lambdaproxy.labels" -}}
{{ include "lambdaproxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "lambdaproxy.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "lambdaproxy.name" .) -}}
{{- else -}}
{{- required "serviceAccount.name: which service account, if the chart is to create none?" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The configuration file. What ports, probes and times depend on is said once, here. */}}
{{- define "lambdaproxy.toml" -}}
{{- range list "host" "port" "metrics-listen" "drain-timeout" -}}
{{- if regexMatch (printf "(?m)^[ \t]*[\"']?%s[\"']?[ \t]*=" .) (regexReplaceAll "(?s)(^|\n)[ \t]*\\[.*" $.Values.config "") -}}
{{- fail (printf "config: `%s` is written by the chart; set drainTimeout for the drain, and leave host and ports out" .) -}}
{{- end -}}
{{- end -}}
host = "0.0.0.0"
metrics-listen = "tcp:9011:interface=0.0.0.0"
drain-timeout = {{ .Values.drainTimeout }}
{{ .Values.config }}
{{- end -}}
