"""The sandbox's controllers, in the manner of kube-controller-manager: each watches, and makes the world agree."""
