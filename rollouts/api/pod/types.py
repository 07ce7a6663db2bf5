"""Pure. Fields of a pod template, in the order of `core/v1` of Kubernetes 1.34 (see gotypes.py for the notation)."""

from rollouts.api.gotypes import parse_types

POD_TYPES = parse_types("""
PodTemplateSpec: metadata? ObjectMeta, spec? PodSpec
ObjectMeta: name? str, generateName? str, namespace? str, selfLink? str, uid? str, resourceVersion? str, generation?
    int, creationTimestamp?0 time, deletionTimestamp? *time, deletionGracePeriodSeconds? *int, labels? {}str,
    annotations? {}str, ownerReferences? []OwnerReference, finalizers? []str, managedFields? []ManagedFieldsEntry
PodSpec: volumes? []Volume, initContainers? []Container, containers []Container, ephemeralContainers?
    []EphemeralContainer, restartPolicy? str, terminationGracePeriodSeconds? *int, activeDeadlineSeconds? *int,
    dnsPolicy? str, nodeSelector? {}str, serviceAccountName? str, serviceAccount? str, automountServiceAccountToken?
    *bool, nodeName? str, hostNetwork? bool, hostPID? bool, hostIPC? bool, shareProcessNamespace? *bool,
    securityContext? *PodSecurityContext, imagePullSecrets? []LocalObjectReference, hostname? str, subdomain? str,
    affinity? *Affinity, schedulerName? str, tolerations? []Toleration, hostAliases? []HostAlias, priorityClassName?
    str, priority? *int, dnsConfig? *PodDNSConfig, readinessGates? []PodReadinessGate, runtimeClassName? *str,
    enableServiceLinks? *bool, preemptionPolicy? *str, overhead? {}resource, topologySpreadConstraints?
    []TopologySpreadConstraint, setHostnameAsFQDN? *bool, os? *PodOS, hostUsers? *bool, schedulingGates?
    []PodSchedulingGate, resourceClaims? []PodResourceClaim, resources? *ResourceRequirements, hostnameOverride?
    *str
OwnerReference: apiVersion str, kind str, name str, uid str, controller? *bool, blockOwnerDeletion? *bool
ManagedFieldsEntry: manager? str, operation? str, apiVersion? str, time? *time, fieldsType? str, fieldsV1? *raw,
    subresource? str
Container: name str, image? str, command? []str, args? []str, workingDir? str, ports? []ContainerPort, envFrom?
    []EnvFromSource, env? []EnvVar, resources? ResourceRequirements, resizePolicy? []ContainerResizePolicy,
    restartPolicy? *str, restartPolicyRules? []ContainerRestartRule, volumeMounts? []VolumeMount, volumeDevices?
    []VolumeDevice, livenessProbe? *Probe, readinessProbe? *Probe, startupProbe? *Probe, lifecycle? *Lifecycle,
    terminationMessagePath? str, terminationMessagePolicy? str, imagePullPolicy? str, securityContext?
    *SecurityContext, stdin? bool, stdinOnce? bool, tty? bool
EphemeralContainer: name str, image? str, command? []str, args? []str, workingDir? str, ports? []ContainerPort,
    envFrom? []EnvFromSource, env? []EnvVar, resources? ResourceRequirements, resizePolicy? []ContainerResizePolicy,
    restartPolicy? *str, restartPolicyRules? []ContainerRestartRule, volumeMounts? []VolumeMount, volumeDevices?
    []VolumeDevice, livenessProbe? *Probe, readinessProbe? *Probe, startupProbe? *Probe, lifecycle? *Lifecycle,
    terminationMessagePath? str, terminationMessagePolicy? str, imagePullPolicy? str, securityContext?
    *SecurityContext, stdin? bool, stdinOnce? bool, tty? bool, targetContainerName? str
PodSecurityContext: seLinuxOptions? *SELinuxOptions, windowsOptions? *WindowsSecurityContextOptions, runAsUser?
    *int, runAsGroup? *int, runAsNonRoot? *bool, supplementalGroups? []int, supplementalGroupsPolicy? *str, fsGroup?
    *int, sysctls? []Sysctl, fsGroupChangePolicy? *str, seccompProfile? *SeccompProfile, appArmorProfile?
    *AppArmorProfile, seLinuxChangePolicy? *str
LocalObjectReference: name? str
Affinity: nodeAffinity? *NodeAffinity, podAffinity? *PodAffinity, podAntiAffinity? *PodAntiAffinity
Toleration: key? str, operator? str, value? str, effect? str, tolerationSeconds? *int
HostAlias: ip str, hostnames? []str
PodDNSConfig: nameservers? []str, searches? []str, options? []PodDNSConfigOption
PodReadinessGate: conditionType str
TopologySpreadConstraint: maxSkew int, topologyKey str, whenUnsatisfiable str, labelSelector? *LabelSelector,
    minDomains? *int, nodeAffinityPolicy? *str, nodeTaintsPolicy? *str, matchLabelKeys? []str
PodOS: name str
PodSchedulingGate: name str
PodResourceClaim: name str, resourceClaimName? *str, resourceClaimTemplateName? *str
ResourceRequirements: limits? {}resource, requests? {}resource, claims? []ResourceClaim
ContainerPort: name? str, hostPort? int, containerPort int, protocol? str, hostIP? str
EnvFromSource: prefix? str, configMapRef? *ConfigMapEnvSource, secretRef? *SecretEnvSource
EnvVar: name str, value? str, valueFrom? *EnvVarSource
ContainerResizePolicy: resourceName str, restartPolicy str
ContainerRestartRule: action? str, exitCodes? *ContainerRestartRuleOnExitCodes
VolumeMount: name str, readOnly? bool, recursiveReadOnly? *str, mountPath str, subPath? str, mountPropagation? *str,
    subPathExpr? str
VolumeDevice: name str, devicePath str
Probe: exec? *ExecAction, httpGet? *HTTPGetAction, tcpSocket? *TCPSocketAction, grpc? *GRPCAction,
    initialDelaySeconds? int, timeoutSeconds? int, periodSeconds? int, successThreshold? int, failureThreshold? int,
    terminationGracePeriodSeconds? *int
Lifecycle: postStart? *LifecycleHandler, preStop? *LifecycleHandler, stopSignal? *str
SecurityContext: capabilities? *Capabilities, privileged? *bool, seLinuxOptions? *SELinuxOptions, windowsOptions?
    *WindowsSecurityContextOptions, runAsUser? *int, runAsGroup? *int, runAsNonRoot? *bool, readOnlyRootFilesystem?
    *bool, allowPrivilegeEscalation? *bool, procMount? *str, seccompProfile? *SeccompProfile, appArmorProfile?
    *AppArmorProfile
SELinuxOptions: user? str, role? str, type? str, level? str
WindowsSecurityContextOptions: gmsaCredentialSpecName? *str, gmsaCredentialSpec? *str, runAsUserName? *str,
    hostProcess? *bool
Sysctl: name str, value str
SeccompProfile: type str, localhostProfile? *str
AppArmorProfile: type str, localhostProfile? *str
NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution? *NodeSelector,
    preferredDuringSchedulingIgnoredDuringExecution? []PreferredSchedulingTerm
PodAffinity: requiredDuringSchedulingIgnoredDuringExecution? []PodAffinityTerm,
    preferredDuringSchedulingIgnoredDuringExecution? []WeightedPodAffinityTerm
PodAntiAffinity: requiredDuringSchedulingIgnoredDuringExecution? []PodAffinityTerm,
    preferredDuringSchedulingIgnoredDuringExecution? []WeightedPodAffinityTerm
PodDNSConfigOption: name? str, value? *str
LabelSelector: matchLabels? {}str, matchExpressions? []LabelSelectorRequirement
ResourceClaim: name str, request? str
ConfigMapEnvSource: name? str, optional? *bool
SecretEnvSource: name? str, optional? *bool
EnvVarSource: fieldRef? *ObjectFieldSelector, resourceFieldRef? *ResourceFieldSelector, configMapKeyRef?
    *ConfigMapKeySelector, secretKeyRef? *SecretKeySelector, fileKeyRef? *FileKeySelector
ContainerRestartRuleOnExitCodes: operator? str, values? []int
ExecAction: command? []str
HTTPGetAction: path? str, port intstr, host? str, scheme? str, httpHeaders? []HTTPHeader
TCPSocketAction: port intstr, host? str
GRPCAction: port int, service *str
LifecycleHandler: exec? *ExecAction, httpGet? *HTTPGetAction, tcpSocket? *TCPSocketAction, sleep? *SleepAction
Capabilities: add? []str, drop? []str
NodeSelector: nodeSelectorTerms []NodeSelectorTerm
PreferredSchedulingTerm: weight int, preference NodeSelectorTerm
PodAffinityTerm: labelSelector? *LabelSelector, namespaces? []str, topologyKey str, namespaceSelector?
    *LabelSelector, matchLabelKeys? []str, mismatchLabelKeys? []str
WeightedPodAffinityTerm: weight int, podAffinityTerm PodAffinityTerm
LabelSelectorRequirement: key str, operator str, values? []str
ObjectFieldSelector: apiVersion? str, fieldPath str
ResourceFieldSelector: containerName? str, resource str, divisor? quantity
ConfigMapKeySelector: name? str, key str, optional? *bool
SecretKeySelector: name? str, key str, optional? *bool
FileKeySelector: volumeName str, path str, key str, optional? *bool
HTTPHeader: name str, value str
SleepAction: seconds int
NodeSelectorTerm: matchExpressions? []NodeSelectorRequirement, matchFields? []NodeSelectorRequirement
NodeSelectorRequirement: key str, operator str, values? []str
""")
