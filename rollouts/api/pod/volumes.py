"""Pure. Fields of a pod's volumes, in the order of `core/v1` of Kubernetes 1.34 (see gotypes.py for the notation)."""

from rollouts.api.gotypes import parse_types

VOLUME_TYPES = parse_types("""
Volume: name str, hostPath? *HostPathVolumeSource, emptyDir? *EmptyDirVolumeSource, gcePersistentDisk?
    *GCEPersistentDiskVolumeSource, awsElasticBlockStore? *AWSElasticBlockStoreVolumeSource, gitRepo?
    *GitRepoVolumeSource, secret? *SecretVolumeSource, nfs? *NFSVolumeSource, iscsi? *ISCSIVolumeSource, glusterfs?
    *GlusterfsVolumeSource, persistentVolumeClaim? *PersistentVolumeClaimVolumeSource, rbd? *RBDVolumeSource,
    flexVolume? *FlexVolumeSource, cinder? *CinderVolumeSource, cephfs? *CephFSVolumeSource, flocker?
    *FlockerVolumeSource, downwardAPI? *DownwardAPIVolumeSource, fc? *FCVolumeSource, azureFile?
    *AzureFileVolumeSource, configMap? *ConfigMapVolumeSource, vsphereVolume? *VsphereVirtualDiskVolumeSource,
    quobyte? *QuobyteVolumeSource, azureDisk? *AzureDiskVolumeSource, photonPersistentDisk?
    *PhotonPersistentDiskVolumeSource, projected? *ProjectedVolumeSource, portworxVolume? *PortworxVolumeSource,
    scaleIO? *ScaleIOVolumeSource, storageos? *StorageOSVolumeSource, csi? *CSIVolumeSource, ephemeral?
    *EphemeralVolumeSource, image? *ImageVolumeSource
HostPathVolumeSource: path str, type? *str
EmptyDirVolumeSource: medium? str, sizeLimit? *quantity
GCEPersistentDiskVolumeSource: pdName str, fsType? str, partition? int, readOnly? bool
AWSElasticBlockStoreVolumeSource: volumeID str, fsType? str, partition? int, readOnly? bool
GitRepoVolumeSource: repository str, revision? str, directory? str
SecretVolumeSource: secretName? str, items? []KeyToPath, defaultMode? *int, optional? *bool
NFSVolumeSource: server str, path str, readOnly? bool
ISCSIVolumeSource: targetPortal str, iqn str, lun int, iscsiInterface? str, fsType? str, readOnly? bool, portals?
    []str, chapAuthDiscovery? bool, chapAuthSession? bool, secretRef? *LocalObjectReference, initiatorName? *str
GlusterfsVolumeSource: endpoints str, path str, readOnly? bool
PersistentVolumeClaimVolumeSource: claimName str, readOnly? bool
RBDVolumeSource: monitors []str, image str, fsType? str, pool? str, user? str, keyring? str, secretRef?
    *LocalObjectReference, readOnly? bool
FlexVolumeSource: driver str, fsType? str, secretRef? *LocalObjectReference, readOnly? bool, options? {}str
CinderVolumeSource: volumeID str, fsType? str, readOnly? bool, secretRef? *LocalObjectReference
CephFSVolumeSource: monitors []str, path? str, user? str, secretFile? str, secretRef? *LocalObjectReference,
    readOnly? bool
FlockerVolumeSource: datasetName? str, datasetUUID? str
DownwardAPIVolumeSource: items? []DownwardAPIVolumeFile, defaultMode? *int
FCVolumeSource: targetWWNs? []str, lun? *int, fsType? str, readOnly? bool, wwids? []str
AzureFileVolumeSource: secretName str, shareName str, readOnly? bool
ConfigMapVolumeSource: name? str, items? []KeyToPath, defaultMode? *int, optional? *bool
VsphereVirtualDiskVolumeSource: volumePath str, fsType? str, storagePolicyName? str, storagePolicyID? str
QuobyteVolumeSource: registry str, volume str, readOnly? bool, user? str, group? str, tenant? str
AzureDiskVolumeSource: diskName str, diskURI str, cachingMode? *str, fsType? *str, readOnly? *bool, kind? *str
PhotonPersistentDiskVolumeSource: pdID str, fsType? str
ProjectedVolumeSource: sources []VolumeProjection, defaultMode? *int
PortworxVolumeSource: volumeID str, fsType? str, readOnly? bool
ScaleIOVolumeSource: gateway str, system str, secretRef *LocalObjectReference, sslEnabled? bool, protectionDomain?
    str, storagePool? str, storageMode? str, volumeName? str, fsType? str, readOnly? bool
StorageOSVolumeSource: volumeName? str, volumeNamespace? str, fsType? str, readOnly? bool, secretRef?
    *LocalObjectReference
CSIVolumeSource: driver str, readOnly? *bool, fsType? *str, volumeAttributes? {}str, nodePublishSecretRef?
    *LocalObjectReference
EphemeralVolumeSource: volumeClaimTemplate? *PersistentVolumeClaimTemplate
ImageVolumeSource: reference? str, pullPolicy? str
KeyToPath: key str, path str, mode? *int
DownwardAPIVolumeFile: path str, fieldRef? *ObjectFieldSelector, resourceFieldRef? *ResourceFieldSelector, mode?
    *int
VolumeProjection: secret? *SecretProjection, downwardAPI? *DownwardAPIProjection, configMap? *ConfigMapProjection,
    serviceAccountToken? *ServiceAccountTokenProjection, clusterTrustBundle? *ClusterTrustBundleProjection,
    podCertificate? *PodCertificateProjection
PersistentVolumeClaimTemplate: metadata? ObjectMeta, spec PersistentVolumeClaimSpec
SecretProjection: name? str, items? []KeyToPath, optional? *bool
DownwardAPIProjection: items? []DownwardAPIVolumeFile
ConfigMapProjection: name? str, items? []KeyToPath, optional? *bool
ServiceAccountTokenProjection: audience? str, expirationSeconds? *int, path str
ClusterTrustBundleProjection: name? *str, signerName? *str, labelSelector? *LabelSelector, optional? *bool, path str
PodCertificateProjection: signerName? str, keyType? str, maxExpirationSeconds? *int, credentialBundlePath? str,
    keyPath? str, certificateChainPath? str
PersistentVolumeClaimSpec: accessModes? []str, selector? *LabelSelector, resources? VolumeResourceRequirements,
    volumeName? str, storageClassName? *str, volumeMode? *str, dataSource? *TypedLocalObjectReference,
    dataSourceRef? *TypedObjectReference, volumeAttributesClassName? *str
VolumeResourceRequirements: limits? {}resource, requests? {}resource
TypedLocalObjectReference: apiGroup *str, kind str, name str
TypedObjectReference: apiGroup *str, kind str, name str, namespace? *str
""")
