"""The sandbox's kubelet: takes pods through their life, as their scripts say."""
