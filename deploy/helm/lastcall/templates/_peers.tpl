{{/* key (from or to), peers: a rule's peers; none: anywhere, said in a comment, because an absent list means that. */}}
{{- define "lastcall.peers" -}}
{{- if .peers -}}
{{ .key }}:
{{ toYaml .peers | indent 2 }}
{{- else -}}
# {{ .key }} anywhere
{{- end }}
{{- end }}

{{- define "lastcall.storeEgress" -}}
{{- if .Values.mongodb.enabled -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "lastcall.selectorLabels" (dict "root" . "name" "mongodb") | nindent 10 }}
  ports:
    - { port: 27017 }
{{- else -}}
- {{ include "lastcall.peers" (dict "key" "to" "peers" .Values.networkPolicy.store) | indent 2 | trim }}
  ports:
    {{- range include "lastcall.portsOf" (dict "url" (include "lastcall.storeUrl" .) "usual" 27017) | fromJsonArray }}
    - { port: {{ . }} }
    {{- end }}
{{- end }}
{{- end }}

{{- define "lastcall.servicePods" -}}
{{- $root := . -}}
{{- range $name := splitList " " (include "lastcall.services" .) }}
- podSelector:
    matchLabels:
      {{- include "lastcall.selectorLabels" (dict "root" $root "name" $name) | nindent 6 }}
{{- end }}
{{- end }}
