{{/* Names and labels. Each takes the root context, or a dict of root (the root context) and name (a service or another component). */}}

{{- define "lastcall.services" -}}
catalog scheduler preflight session installer
{{- end }}

{{- define "lastcall.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters: the longest thing that is added is -identity-scheduler, and a Service's name has 63. */}}
{{- define "lastcall.fullname" -}}
{{- $name := include "lastcall.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "lastcall.component" -}}
{{ include "lastcall.fullname" .root }}-{{ .name }}
{{- end }}

{{- define "lastcall.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lastcall.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "lastcall.labels" -}}
{{ include "lastcall.selectorLabels" . }}
app.kubernetes.io/part-of: lastcall
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- if has .name (list "nats" "mongodb") }}
lastcall.dev/evaluation-only: "true"
{{- end }}
{{- end }}

{{- define "lastcall.metadata" -}}
name: {{ include "lastcall.component" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "lastcall.labels" . | nindent 2 }}
{{- end }}

{{/* root, name: of an image of ours. */}}
{{- define "lastcall.image" -}}
{{- $image := .root.Values.image -}}
{{- $path := printf "%s/%s" $image.repository .name -}}
{{- if $image.registry }}{{ $path = printf "%s/%s" (trimSuffix "/" $image.registry) $path }}{{ end -}}
{{- with index $image.digests .name -}}
{{ $path }}@{{ . }}
{{- else -}}
{{ $path }}:{{ index $image.tags .name | default $image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* root, name, of a Secret of the identity: catalog … installer, or operator. */}}
{{- define "lastcall.identitySecret" -}}
{{- $made := ternary "operator" (printf "identity-%s" .name) (eq .name "operator") -}}
{{ index .root.Values.identity.existingSecrets .name | default (printf "%s-%s" (include "lastcall.fullname" .root) $made) }}
{{- end }}

{{- define "lastcall.busSecret" -}}
{{ .Values.bus.existingSecret | default (printf "%s-bus" (include "lastcall.fullname" .)) }}
{{- end }}

{{- define "lastcall.storeSecret" -}}
{{ .Values.store.existingSecret | default (printf "%s-store" (include "lastcall.fullname" .)) }}
{{- end }}

{{/* root, name: values of a service, its own before the common ones. YAML. */}}
{{- define "lastcall.serviceValues" -}}
{{- $own := index .root.Values .name -}}
{{- $all := dict -}}
{{- range $key, $value := .root.Values.common -}}
{{- $_ := set $all $key (ternary (get $own $key) $value (hasKey $own $key)) -}}
{{- end -}}
{{- $config := dict -}}
{{- range list .root.Values.common.config (default dict $own.config) -}}
{{- range $setting, $value := . }}{{ $_ := set $config $setting $value }}{{ end -}}
{{- end -}}
{{- $_ := set $all "config" $config -}}
{{- $_ := set $all "extraEnv" (concat .root.Values.common.extraEnv (default list $own.extraEnv)) -}}
{{- $all | toYaml -}}
{{- end }}

{{/* How many there are at least: what a disruption budget and the checks go by. */}}
{{- define "lastcall.leastReplicas" -}}
{{- $values := include "lastcall.serviceValues" . | fromYaml -}}
{{ ternary $values.autoscaling.minReplicas $values.replicas $values.autoscaling.enabled }}
{{- end }}

{{- define "lastcall.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
