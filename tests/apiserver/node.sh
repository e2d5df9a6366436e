#!/bin/sh
# A Kubernetes cluster of one node, in namespaces of networks, mounts, names and processes that end with this: what it does to them nobody
# outside sees. Ends when its standard input does.
#   node.sh DIRECTORY MACHINE CONTAINERD CGROUP
# In the directory are certificates and tokens; the machine is etcd and Kubernetes' own parts; containerd is a directory of programs.
set -eu
dir=$1 machine=$2 cgroup=$4
export PATH="$3:$PATH" HOME="$dir"
cd "$dir"
mkdir log kernel plugins cni

# Volumes are mounted by one process and seen by others. What has a fixed place is put elsewhere.
mount --make-rshared /
for place in /run /var/log; do mount -t tmpfs none "$place"; done
hostname node-1

# The kubelet sets these for the whole machine. It leaves them alone where they are as it wants them.
while read -r name value; do
    file=kernel/$(basename "$name")
    echo "$value" > "$file"
    mount --bind "$file" "/proc/sys/$name"
done << 'END'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

# An address of the node, which leads nowhere else.
ip link set lo up
ip link add eth0 type veth peer name nowhere
ip link set nowhere up
ip addr add 192.0.2.10/24 dev eth0
ip link set eth0 up
ip route add default via 192.0.2.1 dev eth0
echo 1 > /proc/sys/net/ipv4/ip_forward

# Whatever hierarchies of control groups there are. New groups have no CPUs in the old one of that name.
roots=/sys/fs/cgroup
[ -e "$roots/cgroup.controllers" ] || roots="$roots/*"
for root in $roots; do
    [ -e "$root/cgroup.procs" ] || continue
    mkdir -p "$root/$cgroup"
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$root/tasks" ] || [ ! -e "$root/$file" ] || cat "$root/$file" > "$root/$cgroup/$file"
    done
done

# Waits for a command to succeed, but not for ever.
await() {
    for _ in $(seq 600); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.2
    done
    echo "waited in vain for: $*" >&2
    exit 1
}

run() {
    log=$1
    shift
    # A pipe that nobody writes to and that all here hold open.
    "$@" > "log/$log" 2>&1 < leash &
}
mkfifo leash
exec 3<> leash

run etcd "$machine" etcd etcd.json
await [ -e etcd.sock ]
run apiserver "$machine" apiserver --etcd-servers="unix://$dir/etcd.sock" --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address=192.0.2.10 --tls-cert-file=server.crt --tls-private-key-file=server.key --client-ca-file=ca.crt \
    --token-auth-file=tokens.csv --authorization-mode=RBAC --allow-privileged --cert-dir=generated \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=accounts.crt \
    --service-account-signing-key-file=accounts.key --service-cluster-ip-range=10.96.0.0/16 \
    --kubelet-client-certificate=kubelet-client.crt --kubelet-client-key=kubelet-client.key \
    --kubelet-preferred-address-types=InternalIP
run controllers "$machine" controller-manager --kubeconfig=admin.conf --leader-elect=false --cert-dir=generated-controllers \
    --service-account-private-key-file=accounts.key --root-ca-file=ca.crt
run scheduler "$machine" scheduler --kubeconfig=admin.conf --leader-elect=false --cert-dir=generated-scheduler
run proxy "$machine" proxy --kubeconfig=admin.conf --proxy-mode=iptables --cluster-cidr=10.244.0.0/16 --hostname-override=node-1 \
    --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0

cat > cni/10-pods.conflist << END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": "$dir/addresses", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
}]}
END
cat > containerd.toml << END
version = 3
root = '$dir/containers'
state = '/run/containerd'
imports = []
[grpc]
address = '/run/containerd.sock'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'registry.test/pause:1'
[plugins.'io.containerd.cri.v1.runtime']
disable_apparmor = true
# Whoever may not make the kernel spare a process can run this nonetheless.
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/usr/lib/cni']
conf_dir = '$dir/cni'
END
run containerd containerd --config containerd.toml
await ctr --address /run/containerd.sock version
for image in pause portolan; do
    ctr --address /run/containerd.sock --namespace k8s.io images import "$image.tar" >> log/images 2>&1
done

cat > kubelet.yaml << END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {memory.available: 1Mi, nodefs.available: 1Mi, imagefs.available: 1Mi}
imageGCHighThresholdPercent: 100
containerRuntimeEndpoint: unix:///run/containerd.sock
resolvConf: ""
podLogsDir: $dir/pods
volumePluginDir: $dir/plugins
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $dir/ca.crt}}
authorization: {mode: AlwaysAllow}
END
run kubelet "$machine" kubelet --kubeconfig=admin.conf --config=kubelet.yaml --root-dir="$dir/kubelet" --cert-dir="$dir/generated-kubelet" \
    --hostname-override=node-1 --node-ip=192.0.2.10
echo ready
cat > /dev/null
