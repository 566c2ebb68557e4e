{{/* What all containers and pods of the chart have in common: Pod Security "restricted" and no more. */}}

{{- define "lastcall.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "lastcall.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* root, name: variables of a service. */}}
{{- define "lastcall.env" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $values := include "lastcall.serviceValues" . | fromYaml -}}
{{- if eq $root.Values.bus.auth "password" }}
- name: BUS_USER
  value: {{ $name }}
- name: BUS_PASSWORD
  valueFrom:
    secretKeyRef: { name: {{ include "lastcall.busSecret" $root }}, key: {{ $name }} }
{{- end }}
{{- if eq $root.Values.store.auth "password" }}
- name: STORE_USER
  value: {{ $root.Values.prefix }}_{{ $name }}
- name: STORE_PASSWORD
  valueFrom:
    secretKeyRef: { name: {{ include "lastcall.storeSecret" $root }}, key: {{ $name }} }
{{- end }}
- name: LASTCALL_BUS
  value: {{ include "lastcall.withCredentials" (dict "url" (include "lastcall.busUrl" $root) "of" "BUS" "auth" (eq $root.Values.bus.auth "password")) | quote }}
- name: LASTCALL_BUS_REPLICAS
  value: {{ ternary $root.Values.nats.replicas $root.Values.bus.replicas $root.Values.nats.enabled | quote }}
- name: LASTCALL_STORE
  value: {{ include "lastcall.withCredentials" (dict "url" (include "lastcall.storeUrl" $root) "of" "STORE" "auth" (eq $root.Values.store.auth "password")) | quote }}
- name: LASTCALL_PREFIX
  value: {{ $root.Values.prefix }}
- name: LASTCALL_CATALOG_URL
  value: {{ include "lastcall.catalogUrl" $root | quote }}
{{- if and (eq $name "installer") (ne (include "lastcall.catalogUrl" $root) (include "lastcall.catalogInside" $root)) }}
# Its own way to the public address may be shut.
- name: LASTCALL_CATALOG_INSIDE_URL
  value: {{ include "lastcall.catalogInside" $root }}
{{- end }}
{{- range $other := splitList " " (include "lastcall.services" $root) }}
- name: LASTCALL_{{ upper $other }}_ADDRESS
  value: {{ include "lastcall.serviceHost" (dict "root" $root "name" $other) }}:7421
{{- end }}
{{- if $root.Values.tls.enabled }}
- name: LASTCALL_TLS_CERT_FILE
  value: /tls/tls.crt
- name: LASTCALL_TLS_KEY_FILE
  value: /tls/tls.key
- name: LASTCALL_TLS_CA_FILE
  value: /tls/ca.crt
- name: LASTCALL_TLS_CLIENT_CERTS
  value: {{ $root.Values.tls.clientCerts }}
{{- if ne $root.Values.tls.clientCerts "none" }}
# Whose certificate a service's own credential comes with.
- name: LASTCALL_TLS_SERVICE_NAME
  value: {{ include "lastcall.serviceHost" (dict "root" $root "name" "{service}") | quote }}
{{- end }}
{{- end }}
{{- range $setting, $value := $values.config }}
- name: LASTCALL_{{ regexReplaceAll "([A-Z])" $setting "_${1}" | upper }}
  value: {{ $value | quote }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* root, name */}}
{{- define "lastcall.topology" -}}
{{- $selector := include "lastcall.selectorLabels" . -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- $selector | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{/* period, failures, service: a gRPC probe on the port that speaks neither TLS nor asks for credentials. */}}
{{- define "lastcall.probe" -}}
grpc:
  port: 7422
  {{- with .service }}
  service: {{ . }}
  {{- end }}
periodSeconds: {{ .period }}
timeoutSeconds: 3
failureThreshold: {{ .failures }}
{{- end }}
