{{/* Where everything is. */}}

{{- define "lastcall.scheme" -}}
{{ ternary "https" "http" .Values.tls.enabled }}
{{- end }}

{{/* root, name */}}
{{- define "lastcall.serviceHost" -}}
{{ include "lastcall.component" . }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{- define "lastcall.catalogInside" -}}
{{ include "lastcall.scheme" . }}://{{ include "lastcall.serviceHost" (dict "root" . "name" "catalog") }}:7420
{{- end }}

{{- define "lastcall.catalogUrl" -}}
{{- if .Values.public.catalogUrl -}}
{{ .Values.public.catalogUrl }}
{{- else if and (ne .Values.public.kind "none") .Values.public.host -}}
https://{{ .Values.public.host }}
{{- else -}}
{{ include "lastcall.catalogInside" . }}
{{- end }}
{{- end }}

{{- define "lastcall.busUrl" -}}
{{- if .Values.nats.enabled -}}
nats://{{ include "lastcall.component" (dict "root" . "name" "nats") }}.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{ .Values.bus.url }}
{{- end }}
{{- end }}

{{- define "lastcall.storeUrl" -}}
{{- if .Values.mongodb.enabled -}}
mongodb://{{ include "lastcall.component" (dict "root" . "name" "mongodb") }}.{{ .Release.Namespace }}.svc:27017/?replicaSet=lastcall&authSource=admin
{{- else -}}
{{ .Values.store.url }}
{{- end }}
{{- end }}

{{/* url, user (names of variables): the URL with credentials that the container's own environment fills in. */}}
{{- define "lastcall.withCredentials" -}}
{{- if .auth -}}
{{ regexReplaceAll "^([a-z+]+)://" .url (printf "${1}://$(%s_USER):$(%s_PASSWORD)@" .of .of) }}
{{- else -}}
{{ .url }}
{{- end }}
{{- end }}

{{/* Ports that a URL names, else the usual one; a JSON list. */}}
{{- define "lastcall.portsOf" -}}
{{- $ports := list -}}
{{- range regexFindAll ":[0-9]+" .url -1 }}{{ $ports = append $ports (trimPrefix ":" . | int) }}{{ end -}}
{{ default (list .usual) (uniq $ports) | toJson }}
{{- end }}

{{/* Names of gRPC services by the service that serves them. The operations of all are asked for at the scheduler, which asks the others. */}}
{{- define "lastcall.grpcRoutes" -}}
catalog: [lastcall.catalog.v1.CatalogService, lastcall.catalog.v1.WaveService, lastcall.identity.v1.TokenService]
scheduler: [lastcall.scheduler.v1.SchedulerService, lastcall.operations.v1.OperationsService]
preflight: [lastcall.preflight.v1.PreflightService]
session: [lastcall.session.v1.SessionService]
installer: [lastcall.installer.v1.InstallerService, lastcall.installer.v1.HostEdgeService]
{{- end }}

{{/* Who calls whom: what service-clients are asked for in the code. */}}
{{- define "lastcall.calls" -}}
catalog: []
scheduler: [catalog, preflight, session, installer]
preflight: [catalog, scheduler, session]
session: []
installer: [catalog, scheduler, session]
{{- end }}
