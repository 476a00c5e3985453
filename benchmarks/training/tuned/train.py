"""python -m benchmarks.training.tuned.train FOLDER: 320 steps of 24 classes from the shipped weights, then the gate."""
import sys, json, math, time, torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
torch.set_num_threads(1)
from benchmarks.training.motion_network import *
from benchmarks.training.motion_network import _random
from benchmarks.training.tuned.measure import network
D=sys.argv[1]+'/'
BF=True
def main():
    out,steps,ways,rate='tuned',320,24,6e-4
    mix={'old_train':0.35,'text':0.15,'pose':0.2,'whole':0.15,'animal':0.15}
    data={k:load_file(D+f'r_{k}.safetensors')['images'] for k in mix}
    val={'old_val':load_file(D+'r_old_val.safetensors')['images'],**{k:v[-40:] for k,v in data.items()}}
    data={k:v[:-40] for k,v in data.items()}
    torch.manual_seed(0); net=network('old'); net.requires_grad_(True)
    temp=nn.Parameter(torch.tensor(TEMPERATURE).log())
    params=[p for n,p in net.named_parameters() if not n.startswith('figure')]
    opt=torch.optim.AdamW([{'params':params},{'params':[temp]}],lr=rate,weight_decay=DECAY)
    gen=torch.Generator().manual_seed(1); kinds=list(mix); p=torch.tensor([float(mix[k]) for k in kinds])
    truth=torch.arange(ways).repeat_interleave(QUERIES); t=time.process_time(); run={}
    def check():
        net.eval()
        print({k:round(accuracy(lambda x:net(lightened(x))[0],v,episodes=4),1) for k,v in val.items()},round(time.process_time()-t),flush=True)
    for step in range(steps):
        lr=rate*min(1,(step+1)/30)*(0.5+0.5*math.cos(math.pi*step/steps))
        for g in opt.param_groups: g['lr']=lr
        kind=kinds[int(torch.multinomial(p,1,generator=gen))]; images=data[kind]
        net.train(); flip=torch.rand(ways)<0.5
        with torch.no_grad():
            videos=lightened(varied(episode(images,ways,gen),torch.cat([flip,flip.repeat_interleave(QUERIES)])))
        with torch.autocast('cpu',torch.bfloat16,enabled=BF): v=net(videos)[0]
        loss=functional.cross_entropy(similarity(v[ways:],v[:ways])/temp.exp(),truth)
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(params,1.0); opt.step()
        run.setdefault(kind,[]).append(loss.item())
        if (step+1)%50==0:
            print(step+1,{k:round(sum(x)/len(x),2) for k,x in run.items()},round(temp.exp().item(),4),round(time.process_time()-t),flush=True); run={}
        if (step+1)%100==0 or step+1==steps:
            check()
    from benchmarks.training import motion_network as M
    M.HEAD_BATCHES=60; torch.manual_seed(0)
    print('gate',train_figure(net,torch.cat([load_file(D+f'r_{k}.safetensors')['images'] for k in ('old_train','text')])))
    save_file({k:v.half().contiguous() for k,v in net.state_dict().items()},D+out+'.safetensors')
if __name__=='__main__': main()
