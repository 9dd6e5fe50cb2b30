"""A local stack is a cluster as the operator's tools expect one."""

import pytest

from devstack.local_cluster import LocalCluster
from ops.cluster import Cluster
from tests.contracts.cluster import ClusterContract


class TestLocalCluster(ClusterContract):
    @pytest.fixture
    def cluster(self, local: LocalCluster) -> Cluster:
        return local
