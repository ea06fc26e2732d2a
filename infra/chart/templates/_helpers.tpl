{{/* What all three services share. Each takes (dict "root" $ "name" SERVICE ...), where SERVICE is the
     name of the workload, of its service account, and of its repository of images. */}}

{{/* What pods are found by: never changes. */}}
{{- define "jetl2.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "jetl2.labels" -}}
{{ include "jetl2.selector" . }}
app.kubernetes.io/part-of: jetl2
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Of pods. No version of the chart: a new one must not replace pods that stay as they are. */}}
{{- define "jetl2.podLabels" -}}
{{ include "jetl2.selector" . }}
app.kubernetes.io/part-of: jetl2
{{- end }}

{{/* Labels of the release as a whole, which has no pods of its own. */}}
{{- define "jetl2.shared" -}}
{{ include "jetl2.labels" (dict "root" . "name" "jetl2") }}
{{- end }}

{{/* The environment: `own` and `from` are what the chart itself says, `settings` what values add.
     All are setting -> value, without the prefix; those of `from` are fields of the pod or secrets. */}}
{{- define "jetl2.env" -}}
{{- $own := merge (dict "HTTP_HOST" "0.0.0.0" "HTTP_PORT" "8080" "LOG_FORMAT" "json") .own }}
{{- range $name := keys .settings }}
{{- if or (hasKey $own $name) (hasKey $.from $name) }}
{{- fail (printf "%s: the chart itself sets %s; take it out of settings" $.name $name) }}
{{- end }}
{{- end }}
{{- range $name, $value := merge $own .settings }}
- name: {{ $.prefix }}{{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $name, $source := .from }}
- name: {{ $.prefix }}{{ $name }}
  valueFrom: {{ $source | toJson }}
{{- end }}
{{- range $name := list "AWS_DEFAULT_REGION" "AWS_REGION" }}
- name: {{ $name }}
  value: {{ $.root.Values.aws.region }}
{{- end }}
{{- end }}

{{/* Settings of every Kafka client. */}}
{{- define "jetl2.kafkaEnv" -}}
- name: JETL2_KAFKA_LOGIN
  value: {{ .Values.kafka.login }}
{{- with .Values.kafka.properties }}
- name: JETL2_KAFKA_PROPERTIES
  value: {{ toJson . | quote }}
{{- end }}
{{- end }}

{{/* A pod, without its metadata. Beside name and root:
       tag, resources  of the container
       env             rendered
       graceSeconds    from SIGTERM to SIGKILL
       ports           container ports beside `http`
       secrets         SecretProviderClass whose files are mounted; "" for none
       feeds           ConfigMap that is mounted; "" for none
       placing         affinity and spread, rendered
       lifecycle       of the container, rendered; "" for none */}}
{{- define "jetl2.pod" -}}
serviceAccountName: {{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
# What the PEX files hold is compiled for it
nodeSelector:
  kubernetes.io/os: linux
  kubernetes.io/arch: amd64
{{- with .placing }}
{{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
terminationGracePeriodSeconds: {{ .graceSeconds }}
containers:
  - name: {{ .name }}
    image: {{ required "image.registry is not set: the registry and the beginning of the repositories' names" .root.Values.image.registry }}/{{ .name }}:{{ .tag }}
    imagePullPolicy: IfNotPresent
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    env:
      {{- .env | nindent 6 }}
    ports:
      - name: http
        containerPort: 8080
      {{- range $name, $port := .ports }}
      - name: {{ $name }}
        containerPort: {{ $port }}
      {{- end }}
    # Neither asks for Kafka, S3 or an exchange: an outage there must not restart everything
    startupProbe:
      httpGet: { path: /healthz, port: http }
      periodSeconds: 2
      failureThreshold: 30
    livenessProbe:
      httpGet: { path: /healthz, port: http }
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    readinessProbe:
      httpGet: { path: /readyz, port: http }
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: 2
    {{- with .lifecycle }}
    lifecycle:
      {{- . | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      - name: tmp
        mountPath: /tmp
      {{- if .feeds }}
      - name: feeds
        mountPath: /etc/jetl2
        readOnly: true
      {{- end }}
      {{- if .secrets }}
      - name: secrets
        mountPath: /var/run/jetl2
        readOnly: true
      {{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- if .feeds }}
  - name: feeds
    configMap:
      name: {{ .feeds }}
  {{- end }}
  {{- if .secrets }}
  - name: secrets
    csi:
      driver: secrets-store.csi.k8s.io
      readOnly: true
      volumeAttributes:
        secretProviderClass: {{ .secrets }}
  {{- end }}
{{- end }}

{{/* Pods over the nodes as well as can be, and over the zones unless `zone` names the only one. A zone whose
     nodes are down does not count, so that pods can come back in the others. */}}
{{- define "jetl2.spread" -}}
{{- with .zone }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - { key: topology.kubernetes.io/zone, operator: In, values: [{{ . }}] }
{{- end }}
topologySpreadConstraints:
  - topologyKey: kubernetes.io/hostname
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "jetl2.selector" . | nindent 8 }}
  {{- if not .zone }}
  - topologyKey: topology.kubernetes.io/zone
    maxSkew: 1
    whenUnsatisfiable: DoNotSchedule
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels:
        {{- include "jetl2.selector" . | nindent 8 }}
  {{- end }}
{{- end }}

{{/* A headless service: names of the pods, and what Prometheus finds them by, above all when not ready. */}}
{{- define "jetl2.headless" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .service }}
  labels:
    {{- include "jetl2.labels" . | nindent 4 }}
    jetl2/metrics: "true"
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "jetl2.selector" . | nindent 4 }}
  ports:
    - name: http
      port: 8080
      targetPort: http
{{- end }}

{{/* Nothing of Kubernetes' API is needed; AWS' pod identity has a token of its own. */}}
{{- define "jetl2.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels:
    {{- include "jetl2.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end }}
