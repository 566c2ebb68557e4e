{{/* Rules over several values, which a schema cannot say. All that is wrong is said at once. */}}
{{- define "lastcall.checks" -}}
{{- $wrong := list -}}
{{- $values := .Values -}}
{{- if and (not $values.nats.enabled) (not $values.bus.url) }}{{ $wrong = append $wrong "bus.url is empty: name your NATS (nats://host:4222), or set nats.enabled for an evaluation" }}{{ end -}}
{{- if and $values.nats.enabled $values.bus.url }}{{ $wrong = append $wrong "bus.url and nats.enabled are both set: choose one" }}{{ end -}}
{{- if and $values.nats.enabled (ne $values.prefix "lastcall") (eq $values.bus.auth "password") }}{{ $wrong = append $wrong "prefix is not lastcall: the users of nats.enabled may say what begins with lastcall only; name your own NATS in bus.url, with users for your prefix" }}{{ end -}}
{{- if and (not $values.mongodb.enabled) (not $values.store.url) }}{{ $wrong = append $wrong "store.url is empty: name your MongoDB (mongodb://host/?replicaSet=lastcall&authSource=admin), or set mongodb.enabled for an evaluation" }}{{ end -}}
{{- if and $values.mongodb.enabled $values.store.url }}{{ $wrong = append $wrong "store.url and mongodb.enabled are both set: choose one" }}{{ end -}}
{{- if and $values.mongodb.enabled $values.store.adminUrlSecret.name }}{{ $wrong = append $wrong "store.adminUrlSecret is for a MongoDB of your own: mongodb.enabled makes its users itself" }}{{ end -}}
{{- if and $values.store.adminUrlSecret.name (or $values.store.existingSecret (ne $values.store.auth "password")) }}{{ $wrong = append $wrong "store.adminUrlSecret makes users with the passwords that prepare makes: leave store.existingSecret empty and store.auth password, or make the users yourself" }}{{ end -}}
{{- $named := 0 -}}
{{- range $values.identity.existingSecrets }}{{ if . }}{{ $named = add1 $named }}{{ end }}{{ end -}}
{{- if not (has (int $named) (list 0 6)) }}{{ $wrong = append $wrong "identity.existingSecrets names some of six: name all of them, or none and they are made" }}{{ end -}}
{{- if and (not $values.prepare.enabled) $values.store.adminUrlSecret.name }}{{ $wrong = append $wrong "store.adminUrlSecret is for the job that prepare.enabled switches off: set it to true, or make the users yourself" }}{{ end -}}
{{- $catalog := include "lastcall.leastReplicas" (dict "root" . "name" "catalog") | int -}}
{{- $catalogValues := include "lastcall.serviceValues" (dict "root" . "name" "catalog") | fromYaml -}}
{{- if and (eq $values.catalog.persistence.accessMode "ReadWriteOnce") (or (gt $catalog 1) $catalogValues.autoscaling.enabled) }}{{ $wrong = append $wrong "catalog has several replicas: they need one folder, set catalog.persistence.accessMode to ReadWriteMany (and a storage class that can)" }}{{ end -}}
{{- range $name := splitList " " (include "lastcall.services" .) -}}
{{- $service := include "lastcall.serviceValues" (dict "root" $ "name" $name) | fromYaml -}}
{{- if and $service.autoscaling.enabled (gt (int $service.autoscaling.minReplicas) (int $service.autoscaling.maxReplicas)) }}{{ $wrong = append $wrong (printf "%s.autoscaling: minReplicas is greater than maxReplicas" $name) }}{{ end -}}
{{- if and $service.autoscaling.enabled (not (or $service.autoscaling.cpu $service.autoscaling.memory (default 0 $service.autoscaling.sessions))) }}{{ $wrong = append $wrong (printf "%s.autoscaling looks at nothing: set cpu or memory" $name) }}{{ end -}}
{{- if le (int $service.terminationGracePeriodSeconds) (int $service.preStopSleepSeconds) }}{{ $wrong = append $wrong (printf "%s.terminationGracePeriodSeconds must be longer than preStopSleepSeconds: what is left is the time to stop" $name) }}{{ end -}}
{{- end -}}
{{- if and (ne $values.public.kind "none") (not $values.public.host) }}{{ $wrong = append $wrong (printf "public.host is empty: public.kind %s needs the name that clients know" $values.public.kind) }}{{ end -}}
{{- if and (eq $values.public.kind "gateway") (not $values.public.gateway.parentRefs) }}{{ $wrong = append $wrong "public.gateway.parentRefs is empty: name the Gateway that the routes join" }}{{ end -}}
{{- if and $values.tls.certManager.enabled (not $values.tls.enabled) }}{{ $wrong = append $wrong "tls.certManager.enabled needs tls.enabled" }}{{ end -}}
{{- if and $values.tls.enabled $values.tls.certManager.enabled (not $values.tls.certManager.issuerRef.name) }}{{ $wrong = append $wrong "tls.certManager.issuerRef.name is empty: name the Issuer" }}{{ end -}}
{{- if $wrong }}{{ fail (printf "\n\nLastcall is not installed: %d of its values do not fit together.\n  - %s\n" (len $wrong) (join "\n  - " $wrong)) }}{{ end -}}
{{- end }}
