"""Pure. Fields of a canary's steps, in the order that the step hash needs (see gotypes.py for the notation).

Source: Argo Rollouts 1.9 and 1.10; EARLIER_STEP_TYPES are those of 1.8 and before.
"""

from rollouts.api.gotypes import parse_types

STEP_TYPES = parse_types("""
CanaryStep: setWeight? *int, pause? *RolloutPause, experiment? *RolloutExperimentStep, analysis? *RolloutAnalysis,
    setCanaryScale? *SetCanaryScale, setHeaderRoute? *SetHeaderRoute, setMirrorRoute? *SetMirrorRoute, plugin?
    *PluginStep
RolloutPause: duration? *intstr
RolloutExperimentStep: templates []RolloutExperimentTemplate, duration? str, analyses?
    []RolloutExperimentStepAnalysisTemplateRef, dryRun? []DryRun, analysisRunMetadata? AnalysisRunMetadata,
    scaleDownDelaySeconds? *int
RolloutAnalysis: templates? []AnalysisTemplateRef, args? []AnalysisRunArgument, dryRun? []DryRun,
    measurementRetention? []MeasurementRetention, analysisRunMetadata? *AnalysisRunMetadata
SetCanaryScale: weight? *int, replicas? *int, matchTrafficWeight? bool
SetHeaderRoute: name? str, match? []HeaderRoutingMatch
SetMirrorRoute: name str, match? []RouteMatch, percentage? *int
PluginStep: name str, config? raw
RolloutExperimentTemplate: name str, specRef str, replicas? *int, metadata? PodTemplateMetadata, selector?
    *LabelSelector, weight? *int, service? *TemplateService
RolloutExperimentStepAnalysisTemplateRef: name str, templateName str, clusterScope? *bool, args?
    []AnalysisRunArgument, requiredForCompletion? bool
DryRun: metricName str
AnalysisRunMetadata: labels? {}str, annotations? {}str
AnalysisTemplateRef: templateName str, clusterScope? *bool
AnalysisRunArgument: name str, value? str, valueFrom? *ArgumentValueFrom
MeasurementRetention: metricName str, limit int
HeaderRoutingMatch: headerName str, headerValue *StringMatch
RouteMatch: method? *StringMatch, path? *StringMatch, headers? {}StringMatch
PodTemplateMetadata: labels? {}str, annotations? {}str
TemplateService: name? str
ArgumentValueFrom: podTemplateHashValue? *str, fieldRef? *FieldRef
StringMatch: exact? str, prefix? str, regex? str
FieldRef: fieldPath str
""")

EARLIER_STEP_TYPES = {
    **STEP_TYPES,
    **parse_types("""
RolloutAnalysis: templates? []AnalysisTemplateRef, args? []AnalysisRunArgument, dryRun? []DryRun,
    measurementRetention? []MeasurementRetention, analysisRunMetadata? AnalysisRunMetadata
RolloutExperimentStepAnalysisTemplateRef: name str, templateName str, clusterScope? bool, args?
    []AnalysisRunArgument, requiredForCompletion? bool
AnalysisTemplateRef: templateName str, clusterScope? bool
"""),
}
