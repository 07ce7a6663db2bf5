"""From a Deployment to a Rollout in place, and back, while users are served."""
